-- Counts for wrk how many answers each worker gave; a worker's answer is always the same.
local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

counts = {}

function response(status, headers, body)
  counts[body] = (counts[body] or 0) + 1
end

function done(summary, latency, requests)
  for _, thread in ipairs(threads) do
    for _, number in pairs(thread:get("counts")) do
      print("answered " .. number)
    end
  end
  print("p99 " .. math.floor(latency:percentile(99)) .. " us")
end
