// What the ops say of themselves.
#include "ops/op.h"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <filesystem>
#include <set>

namespace longhaul {
namespace {

TEST(Ops, EveryFolderRegistersItself) {
  std::set<std::string> folders, registered;
  for (const auto& entry : std::filesystem::directory_iterator(LH_SOURCE_DIR "/src/ops"))
    if (entry.is_directory()) folders.insert(entry.path().filename().string());
  for (const std::string& name : Ops().names()) registered.insert(name);
  EXPECT_EQ(registered, folders);
}

TEST(Ops, SayWhichPathTheyTake) {
  for (const auto& [name, entry] : Ops().entries()) {
    SCOPED_TRACE(name);
    const OpPaths paths = entry.make();
    EXPECT_FALSE(entry.summary.empty());
    EXPECT_FALSE(paths.cpu.empty());
    // No kernel of ours has run on a GPU, so none may say that one does.
    EXPECT_EQ(paths.gpu.find("own"), std::string::npos) << paths.gpu;
  }
}

TEST(Ops, NameTheInstructionSetThatRuns) {
  const std::vector<int64_t> targets = hwy::SupportedAndGeneratedTargets();
  const std::string best = hwy::TargetName(targets.front());
  EXPECT_NE(Ops().find("attention").make().cpu.find(best), std::string::npos);
  for (int64_t target : targets) EXPECT_EQ(vector_target(target), hwy::TargetName(target));
  EXPECT_EQ(vector_target(targets.front() | targets.back()), best);
}

}  // namespace
}  // namespace longhaul
