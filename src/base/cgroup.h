// What a container or a cluster's job may use of the machine's memory (Linux control groups, versions 1 and 2).
#pragma once
#include <cstdint>
#include <string>

namespace longhaul {

// Bytes that this process's group and every group around it may still take; file pages that would be given back count as free.
// INT64_MAX where no limit is set.
int64_t cgroup_memory_left(const std::string& groups = "/proc/self/cgroup", const std::string& root = "/sys/fs/cgroup");

}  // namespace longhaul
