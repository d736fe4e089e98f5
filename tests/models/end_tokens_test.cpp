#include "models/end_tokens.h"

#include <gtest/gtest.h>

#include "base/json.h"
#include "support.h"

namespace longhaul {
namespace {

TEST(EndTokens, TheGenerationConfigGoesBeforeTheConfig) {
  TemporaryFolder folder;
  EXPECT_TRUE(end_tokens(folder.path()).empty());
  write_file(folder / "config.json", R"({"eos_token_id": 2, "limit": Infinity})");
  EXPECT_EQ(end_tokens(folder.path()), std::vector<int64_t>{2});
  write_json(folder / "generation_config.json", {{"eos_token_id", nullptr}});
  EXPECT_EQ(end_tokens(folder.path()), std::vector<int64_t>{2});
  write_json(folder / "generation_config.json", {{"eos_token_id", {7, 9}}});
  EXPECT_EQ(end_tokens(folder.path()), (std::vector<int64_t>{7, 9}));
  write_json(folder / "generation_config.json", {{"eos_token_id", "x"}});
  EXPECT_TRUE(contains(error_of([&] { end_tokens(folder.path()); }),
                       "generation_config.json: eos_token_id: wanted an integer >= 0, found \"x\""));
}

}  // namespace
}  // namespace longhaul
