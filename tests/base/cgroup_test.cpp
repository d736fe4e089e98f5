#include "base/cgroup.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/files.h"
#include "support.h"

namespace longhaul {
namespace {

class Cgroup : public ::testing::Test {
 protected:
  void write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(folder_.path()) /
                                        std::filesystem::path(path).parent_path());
    write_file(folder_.path() + "/" + path, text);
  }
  int64_t left() const { return cgroup_memory_left(folder_.path() + "/groups", folder_.path() + "/mount"); }
  TemporaryFolder folder_;
};

TEST_F(Cgroup, WithoutLimitsThereIsNone) {
  EXPECT_EQ(left(), INT64_MAX);  // no such files
  write("groups", "0::/user\n");
  write("mount/user/memory.max", "max\n");
  write("mount/user/memory.current", "100\n");
  EXPECT_EQ(left(), INT64_MAX);
}

TEST_F(Cgroup, TheTightestGroupAroundTheProcessCounts) {
  write("groups", "0::/job/step\n");
  write("mount/job/step/memory.max", "9000\n");
  write("mount/job/step/memory.current", "1000\n");
  EXPECT_EQ(left(), 8000);
  write("mount/job/memory.max", "5000\n");
  write("mount/job/memory.current", "2000\n");
  write("mount/job/memory.stat", "anon 1500\ninactive_file 400\nactive_file 50\n");
  EXPECT_EQ(left(), 3400);
  write("mount/memory.max", "3000\n");  // a container sees its own group as the root
  write("mount/memory.current", "3500\n");
  EXPECT_EQ(left(), 0);
}

TEST_F(Cgroup, VersionOneNamesItsControllers) {
  write("groups", "5:cpu,cpuacct:/other\n4:memory:/slurm/job\n0::/\n");
  write("mount/memory/slurm/job/memory.limit_in_bytes", "1000\n");
  write("mount/memory/slurm/job/memory.usage_in_bytes", "700\n");
  write("mount/memory/slurm/job/memory.stat", "cache 9\ntotal_inactive_file 100\n");
  EXPECT_EQ(left(), 400);
}

}  // namespace
}  // namespace longhaul
