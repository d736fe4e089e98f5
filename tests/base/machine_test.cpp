#include "base/machine.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <regex>
#include <thread>
#include <vector>

namespace longhaul {
namespace {

TEST(Machine, CoresFollowTheAffinityMask) {
  EXPECT_GE(available_cores(), 1);
  int pinned = 0;
  std::thread([&] {  // a mask belongs to a thread: the other tests keep theirs
    cpu_set_t all, one;
    sched_getaffinity(0, sizeof all, &all);
    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++cpu) {
      if (CPU_ISSET(cpu, &all)) CPU_SET(cpu, &one);
    }
    sched_setaffinity(0, sizeof one, &one);
    pinned = available_cores();
  })
      .join();
  EXPECT_EQ(pinned, 1);
}

TEST(Machine, MemoryFiguresAreBytes) {
  const int64_t before = resident_bytes();
  const size_t size = size_t{64} << 20;
  std::vector<char> touched(size, 1);
  EXPECT_GE(resident_bytes(), before + static_cast<int64_t>(size / 2));
  EXPECT_GE(peak_resident_bytes(), before + static_cast<int64_t>(size / 2));
  EXPECT_GT(physical_memory(), peak_resident_bytes());
  EXPECT_EQ(touched.back(), 1);
}

TEST(Machine, TimesSortAsText) {
  std::string now = utc_now(), later = utc_now();
  EXPECT_TRUE(std::regex_match(now, std::regex(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)"))) << now;
  EXPECT_LE(now, later);
}

TEST(Machine, ResultFilesSayWhereTheyComeFrom) {
  Json machine = machine_json(), build = build_json();
  for (const char* key : {"host", "cpu", "os", "simd"}) EXPECT_FALSE(machine.at(key).get<std::string>().empty()) << key;
  EXPECT_EQ(machine.at("cores"), available_cores());
  EXPECT_EQ(machine.at("memory_bytes"), physical_memory());
  for (const char* key : {"version", "commit", "compiler", "flags", "build_type"})
    EXPECT_TRUE(build.contains(key)) << key;
}

}  // namespace
}  // namespace longhaul
