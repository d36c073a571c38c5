# The user manager of systemd in namespaces of its own, where nothing else of this machine is seen:
# started by tests/support/user_manager.py, which enters them with nsenter.
set -eu
mount --make-rprivate /
umount -l /sys/fs/cgroup
mount -t cgroup2 none /sys/fs/cgroup
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system /var/lib/systemd
mount -t tmpfs tmpfs /var/lib/systemd
mkdir -p "$XDG_RUNTIME_DIR" /var/lib/systemd/linger
chmod 700 "$XDG_RUNTIME_DIR"
# as the first process of its namespace it would be the manager of the system
"$1" --user --log-target=null &
wait
