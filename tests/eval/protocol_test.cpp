// Which targets each protocol scores, on windows worked out by hand.
#include "eval/protocol.h"

#include <gtest/gtest.h>

#include <map>

#include "support.h"

namespace longhaul {
namespace {

Protocol protocol(const std::string& text, const std::vector<int64_t>& lengths, int64_t targets) {
  Spec spec = Spec::parse("perplexity:" + protocol_keys(text));
  Protocol made = make_protocol(spec, lengths, targets);
  spec.finish();
  return made;
}

// How often each stream position is scored at a length. Windows must stay inside tokens 0 .. targets.
std::map<int64_t, int> scored(const Protocol& made, int64_t length, int64_t targets) {
  std::map<int64_t, int> times;
  for (int64_t index = 0; index < made.count(length); ++index) {
    Window window = made.window(index, length);
    EXPECT_EQ(window.inputs, length);
    EXPECT_GE(window.first, 0);
    EXPECT_LE(window.first + window.inputs, targets);
    for (int64_t i = window.score_from; i < window.inputs; ++i) ++times[window.first + i + 1];
  }
  return times;
}

std::map<int64_t, int> each_once(int64_t from, int64_t to) {
  std::map<int64_t, int> times;
  for (int64_t target = from; target <= to; ++target) times[target] = 1;
  return times;
}

std::string message(const std::string& text, const std::vector<int64_t>& lengths, int64_t targets) {
  return error_of([&] { protocol(text, lengths, targets); });
}

TEST(Protocol, BlockScoresTheSameTargetsOnceAtEveryLength) {
  Protocol made = protocol("block", {4, 6}, 30);  // lcm 12: targets 1 .. 24
  EXPECT_EQ(made.targets, 24);
  EXPECT_EQ(made.count(4), 6);
  EXPECT_EQ(made.count(6), 4);
  for (int64_t length : {4, 6}) EXPECT_EQ(scored(made, length, 30), each_once(1, 24)) << length;
  Window second = made.window(1, 6);
  EXPECT_EQ(second.first, 6);
  EXPECT_EQ(second.score_from, 0);
}

TEST(Protocol, BlockNeedsTheLeastCommonMultiple) {
  EXPECT_EQ(protocol("block", {512, 1024, 2048, 4096, 8192, 15360}, 122'880).targets, 122'880);
  EXPECT_EQ(protocol("block", {512, 1024, 2048, 4096, 8192, 15360}, 15'728'641).targets, 15'728'640);
  EXPECT_EQ(message("block", {8192, 15360}, 122'879),
            "block: wanted at least 122,880 targets (the least common multiple of the lengths, so that every length "
            "scores the same "
            "ones), found 122,879");
}

TEST(Protocol, StrideScoresTheLastTargetsOfEachWindow) {
  Protocol made = protocol("stride=2", {4, 8}, 13);  // from 8 on in steps of 2: targets 1 .. 12
  EXPECT_EQ(made.targets, 12);
  EXPECT_EQ(made.count(4), 5);
  EXPECT_EQ(made.count(8), 3);
  for (int64_t length : {4, 8}) EXPECT_EQ(scored(made, length, 13), each_once(1, 12)) << length;
  Window third = made.window(2, 4);  // tokens 4 .. 8, targets 7 and 8
  EXPECT_EQ(third.first, 4);
  EXPECT_EQ(third.score_from, 2);
  EXPECT_NE(message("stride=3", {4, 8}, 100).find("equal modulo the stride 3"), std::string::npos);
  EXPECT_NE(message("stride=5", {4, 8}, 100).find("wanted 1 to 4"), std::string::npos);
  EXPECT_NE(message("stride=2", {4, 8}, 7).find("at least 8 targets"), std::string::npos);
}

TEST(Protocol, LastKScoresTheSameEndsAtEveryLength) {
  Protocol made = protocol("last-k=3", {4, 10}, 25);  // windows end at 10 and 20
  EXPECT_EQ(made.targets, 6);
  EXPECT_EQ(made.period, 10);
  std::map<int64_t, int> ends{{8, 1}, {9, 1}, {10, 1}, {18, 1}, {19, 1}, {20, 1}};
  for (int64_t length : {4, 10}) EXPECT_EQ(scored(made, length, 25), ends) << length;
  EXPECT_EQ(made.window(1, 4).first, 16);
  EXPECT_NE(message("last-k=5", {4, 10}, 25).find("wanted 1 to 4"), std::string::npos);
}

// specs/cable.md section 5 and checklist (h): the notebook's 287,645 tokens.
TEST(Protocol, UpstreamWindowsAreThePublishedOnes) {
  Protocol made = protocol("upstream", {512, 1024, 2048, 4096, 8192, 15360, 16000}, 287'645 - 1);
  const std::map<int64_t, int64_t> published{{512, 561}, {1024, 280}, {2048, 140}, {4096, 70},
                                             {8192, 35}, {15360, 18}, {16000, 17}};
  for (auto [length, windows] : published) EXPECT_EQ(made.count(length), windows) << length;
  EXPECT_EQ(scored(made, 8192, 287'644), each_once(1, 35 * 8192));
  EXPECT_EQ(made.targets, 0);
  EXPECT_EQ(protocol("upstream", {512}, 100'000'000).count(512), 1000);
}

TEST(Protocol, UnknownOrUnusedSettingsAreErrors) {
  EXPECT_THROW(protocol("blocks", {4}, 100), Error);
  EXPECT_THROW(protocol("block,stride=2", {4}, 100), Error);
  EXPECT_THROW(protocol("stride", {4}, 100), Error);
}

}  // namespace
}  // namespace longhaul
