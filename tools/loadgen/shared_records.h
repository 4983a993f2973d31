// A device's copy of the records that all devices of its user edit at once, kept as deployed
// clients keep theirs (PROTOCOL 5.6): what the server sends is taken unless the copy is newer. In
// the end all copies must be the same (PROTOCOL 5.10).
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>

namespace mana_sync::loadgen {

class SharedRecords {
 public:
  // The device's own edit. `time` as it is sent: such times sort as text.
  void edit(std::string_view record, std::string_view value, std::string_view time);
  // The server's.
  void take(std::string_view record, std::string_view value, std::string_view time);
  // Records that are not the same in both.
  [[nodiscard]] size_t differences(const SharedRecords& other) const;

 private:
  struct Cell {
    std::string value;
    std::string time;
    friend bool operator==(const Cell&, const Cell&) = default;
  };
  std::map<std::string, Cell, std::less<>> cells_;
};

}  // namespace mana_sync::loadgen
