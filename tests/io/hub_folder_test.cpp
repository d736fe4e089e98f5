// Models by the name that the hub has for them, out of the cache that its libraries keep.
#include "io/hub_folder.h"

#include <gtest/gtest.h>

#include "support.h"

namespace longhaul {
namespace {

class HubFolder : public testing::Test {
 protected:
  HubFolder() {
    ::setenv("HF_HUB_CACHE", folder_.path().c_str(), 1);
    make_folders(snapshot_);
    make_folders(path_join(repository_, "refs"));
    write_file(path_join(repository_, "refs/main"), "abc123\n");
    write_file(path_join(snapshot_, "config.json"), "{}");
  }
  ~HubFolder() override { ::unsetenv("HF_HUB_CACHE"); }

  TemporaryFolder folder_;
  std::string repository_ = folder_ / "models--org--name", snapshot_ = path_join(repository_, "snapshots/abc123");
};

TEST_F(HubFolder, IdsAreLookedUpInTheCache) {
  EXPECT_EQ(model_folder("org/name"), snapshot_);
  EXPECT_EQ(model_folder("org/name@main"), snapshot_);
  EXPECT_EQ(model_folder("org/name@abc123"), snapshot_);
  EXPECT_EQ(model_folder(repository_), snapshot_);
  EXPECT_EQ(model_folder(snapshot_), snapshot_);
}

TEST_F(HubFolder, WhatIsNotThereIsSaid) {
  EXPECT_TRUE(contains(error_of([] { model_folder("org/other"); }), "no such model of the hub in " + folder_.path()));
  EXPECT_TRUE(
      contains(error_of([] { model_folder("org/name@v2"); }), "wanted a snapshot of revision 'v2', found none"));
  for (const char* path : {"/no/such/folder", "a/b/c", "../x", ""})
    EXPECT_TRUE(contains(error_of([&] { model_folder(path); }), "found no such directory")) << path;
}

}  // namespace
}  // namespace longhaul
