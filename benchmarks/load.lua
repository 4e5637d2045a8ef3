-- Questions of a file, a request a line: PATH, a tab, a JSON body. Run by benchmarks/wrk.py.

local requests, place = {}, 0

function init(args)
  for line in io.lines(args[1]) do
    local path, body = line:match("^([^\t]+)\t(.+)$")
    requests[#requests + 1] = wrk.format(
      "POST", path, { ["Content-Type"] = "application/json" }, body
    )
  end
end

function request()
  place = place % #requests + 1
  return requests[place]
end

function done(summary, latency, _)
  local found = {
    string.format('"answers": %d', summary.requests),
    string.format('"seconds": %.6f', summary.duration / 1e6),
  }
  for _, name in ipairs({ "connect", "read", "write", "status", "timeout" }) do
    found[#found + 1] = string.format('"%s": %d', name, summary.errors[name])
  end
  for _, share in ipairs({ 50, 95, 99 }) do
    found[#found + 1] = string.format('"p%d": %.3f', share, latency:percentile(share) / 1000)
  end
  found[#found + 1] = string.format('"worst": %.3f', latency.max / 1000)
  io.write("wrk {" .. table.concat(found, ", ") .. "}\n")
end
