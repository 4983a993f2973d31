-- Shared by the wrk scripts. Each request is another user's, in turn, so that the streams spread
-- as they do in life. Arguments after `--`: a file with one token a line, then the script's own.
local threads = 0
function setup(thread)
  thread:set("thread_id", threads)
  threads = threads + 1
end

tokens = {}
requests = 0

function read_tokens(file)
  for line in io.lines(file) do tokens[#tokens + 1] = line end
end

-- The headers of the next user's request.
function next_headers(client)
  requests = requests + 1
  local token = tokens[requests % #tokens + 1]
  return { ["Authorization"] = "Bearer " .. token, ["X-Client-Id"] = client,
           ["Content-Type"] = "application/json" }
end

-- Anything but a 200 is an error that the table must show.
function done(summary)
  local e = summary.errors
  io.write(string.format("failed %d\n", e.connect + e.read + e.write + e.status + e.timeout))
end
