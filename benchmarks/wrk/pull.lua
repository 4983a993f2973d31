-- Pulls of one table. Arguments: TOKENS SINCE CLIENT
local here = debug.getinfo(1, "S").source:match("@(.*/)")
dofile(here .. "common.lua")

function init(args)
  read_tokens(args[1])
  path = "/sync/bench/pull?collection=todos&since=" .. args[2]
  client = args[3]
end

function request()
  return wrk.format("GET", path, next_headers(client))
end
