-- Load for wrk: posts QUERIES, a file of one JSON body a line, from line OFFSET on, each once, to the path of the URL.
local bodies = {}
local number = 0
local offset = tonumber(os.getenv("OFFSET"))
for line in io.lines(os.getenv("QUERIES")) do
  number = number + 1
  if number > offset then bodies[#bodies + 1] = line end
  if #bodies == 200000 then break end
end
local at = 0

function request()
  at = at % #bodies + 1
  return wrk.format("POST", nil, { ["Content-Type"] = "application/json" }, bodies[at])
end

-- One line of JSON: requests, seconds, latencies in milliseconds, replies that were not 200.
function done(summary, latency, requests)
  local errors = summary.errors
  print(string.format('{"requests": %d, "seconds": %.4f, "p50_ms": %.4f, "p99_ms": %.4f, "failed": %d}',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
