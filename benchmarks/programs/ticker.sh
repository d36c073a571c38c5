count=0
while :; do
  echo "turn $count"
  count=$((count + 1))
  sleep 0.5
done
