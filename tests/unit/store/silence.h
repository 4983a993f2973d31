// A network that loses all that PostgreSQL sends, and says nothing: of single connections of this
// process. What goes to PostgreSQL arrives, but for all that is known here it does not, since no
// acknowledgement comes back.
#pragma once

#include <string>
#include <vector>

namespace mana_sync::test {

// The connections to a PostgreSQL that were opened after this object.
class NewConnections {
 public:
  explicit NewConnections(const std::string& url);

  // Their descriptors.
  [[nodiscard]] std::vector<int> fds() const;
  // Nothing comes through those that stand now any more; later ones are sound.
  void silence() const;

 private:
  const int port_;
  const std::vector<int> old_;
};

}  // namespace mana_sync::test
