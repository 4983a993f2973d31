#include "mana_sync/sync/store_port.h"

namespace mana_sync::sync {

std::string_view op_name(Op op) {
  switch (op) {
    case Op::kInsert:
      return "insert";
    case Op::kUpdate:
      return "update";
    case Op::kDelete:
      break;
  }
  return "delete";
}

std::optional<Op> parse_op(std::string_view name) {
  for (const Op op : {Op::kInsert, Op::kUpdate, Op::kDelete}) {
    if (name == op_name(op)) return op;
  }
  return std::nullopt;
}

}  // namespace mana_sync::sync
