-- Pushes of new todos. Arguments: TOKENS CHANGES SINCE CLIENT
local here = debug.getinfo(1, "S").source:match("@(.*/)")
dofile(here .. "common.lua")

function init(args)
  read_tokens(args[1])
  changes = tonumber(args[2])
  since = args[3]
  client = args[4]
  -- Unlike any other run's.
  run = string.format("%x-%d", os.time(), thread_id)
end

function request()
  local headers = next_headers(client)
  local now = os.date("!%Y-%m-%dT%H:%M:%S.000Z")
  local list = {}
  for i = 1, changes do
    local id = string.format("todo-%s-%d-%d", run, requests, i)
    list[i] = string.format(
      '{"table":"todos","id":"%s","op":"insert","data":{"id":"%s","title":"Buy milk and eggs",' ..
      '"completed":false,"updatedAt":"%s"}}', id, id, now)
  end
  local body = '{"since":"' .. since .. '","changes":[' .. table.concat(list, ",") .. ']}'
  return wrk.format("POST", "/sync/bench", headers, body)
end
