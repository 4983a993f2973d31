// Memory of short texts that is used again: what is built for each request, and gone after it,
// costs no allocation. Like what an allocator keeps, it belongs to nobody and means nothing.
#pragma once

#include <cstddef>
#include <string>

namespace mana_sync {

// An empty string with room for `bytes` at least; one that keep_spare_string() got on this thread,
// if there is any.
[[nodiscard]] std::string take_spare_string(size_t bytes);

// Takes a string that is no longer needed. Each thread keeps limits::kSpareStringsMax, if they have
// room for kSpareStringBytesMin to kSpareStringBytesMax; all others are freed.
void keep_spare_string(std::string&& text);

}  // namespace mana_sync
