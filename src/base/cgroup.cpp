#include "base/cgroup.h"

#include <algorithm>
#include <fstream>
#include <optional>

namespace longhaul {

namespace {

struct Names {
  const char *limit, *usage, *inactive;  // files of a group, and a line of its memory.stat
};
constexpr Names kVersion1{"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"};
constexpr Names kVersion2{"memory.max", "memory.current", "inactive_file"};

std::optional<int64_t> number_in(const std::string& path) {
  std::ifstream file(path);
  int64_t number = 0;
  if (file >> number) return number;
  return std::nullopt;  // no such file, or "max"
}

int64_t inactive_bytes(const std::string& path, const std::string& wanted) {
  std::ifstream file(path);
  int64_t bytes = 0;
  for (std::string name; file >> name >> bytes;) {
    if (name == wanted) return bytes;
  }
  return 0;
}

int64_t left_in(const std::string& folder, const Names& names) {
  const auto limit = number_in(folder + "/" + names.limit), used = number_in(folder + "/" + names.usage);
  if (!limit || !used) return INT64_MAX;
  return std::max<int64_t>(0, *limit - *used + inactive_bytes(folder + "/memory.stat", names.inactive));
}

// The group, and those around it up to the root.
int64_t left_along(const std::string& root, std::string group, const Names& names) {
  int64_t left = left_in(root, names);
  for (; group.size() > 1; group.erase(group.rfind('/'))) left = std::min(left, left_in(root + group, names));
  return left;
}

}  // namespace

int64_t cgroup_memory_left(const std::string& groups, const std::string& root) {
  std::ifstream file(groups);
  int64_t left = INT64_MAX;
  for (std::string line; std::getline(file, line);) {  // "0::/GROUP", or "4:cpu,memory:/GROUP"
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos || line.compare(second + 1, 1, "/") != 0) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",",
                      group = line.substr(second + 1);
    if (controllers == ",,") left = std::min(left, left_along(root, group, kVersion2));
    if (controllers.find(",memory,") != std::string::npos)
      left = std::min(left, left_along(root + "/memory", group, kVersion1));
  }
  return left;
}

}  // namespace longhaul
