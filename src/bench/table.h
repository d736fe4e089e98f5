// Rows of `longhaul bench` for people: one line each, printed as they come, a headline whenever the bench changes.
#pragma once
#include <string>

#include "base/json.h"

namespace longhaul {

class BenchTable {
 public:
  std::string line(const Json& row);

 private:
  std::string bench_;
};

}  // namespace longhaul
