// Errors. A user's mistake is one clear line, "what was wanted, what was found, where", and exit code 2.
#pragma once
#include <sstream>
#include <stdexcept>
#include <string>

namespace longhaul {

// Thrown for anything a user can cause: bad flags, bad files, bad shapes. `main` prints the message and exits with 2.
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Concatenates its arguments as an ostream would print them.
template <class... Parts>
std::string str(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

template <class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
  throw Error(longhaul::str(parts...));  // qualified: c10 has one too
}

// check(x.dim() == 2, "rope: x must be [T, D], got ", x.sizes())
template <class... Parts>
void check(bool holds, const Parts&... parts) {
  if (!holds) [[unlikely]]
    fail(parts...);
}

}  // namespace longhaul
