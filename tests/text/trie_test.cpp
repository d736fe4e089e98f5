// The trie against its definition: every key is compared.
#include "text/trie.h"

#include <gtest/gtest.h>

#include <map>

#include "base/rng.h"

namespace longhaul {
namespace {

using Found = std::vector<std::pair<size_t, uint32_t>>;

Found by_definition(const std::map<std::string, uint32_t>& keys, std::string_view text) {
  Found found;
  for (size_t length = 1; length <= text.size(); ++length) {
    auto it = keys.find(std::string(text.substr(0, length)));
    if (it != keys.end()) found.emplace_back(length, it->second);
  }
  return found;
}

std::string random_text(Rng& rng, size_t letters, size_t longest) {
  std::string text;
  for (uint64_t i = 0, length = 1 + rng.below(longest); i < length; ++i) {
    text += static_cast<char>(rng.below(letters) * 255 / (letters - 1));  // 0 and 255 among them
  }
  return text;
}

TEST(Trie, FindsEveryKeyThatATextBeginsWith) {
  for (size_t letters : {2, 5, 256}) {
    Rng rng(1, letters);
    std::map<std::string, uint32_t> keys;
    for (uint32_t value = 0; value < 3000; ++value) keys[random_text(rng, letters, 12)] = value;
    Trie trie(std::vector<std::pair<std::string_view, uint32_t>>(keys.begin(), keys.end()));
    for (int round = 0; round < 5000; ++round) {
      std::string text = random_text(rng, letters, 20);
      Found found;
      trie.for_each_prefix(text, [&](size_t length, uint32_t value) { found.emplace_back(length, value); });
      const Found wanted = by_definition(keys, text);
      ASSERT_EQ(found, wanted);
      Trie::Match longest = trie.longest_prefix(text);
      ASSERT_EQ(longest.length, wanted.empty() ? 0 : wanted.back().first);
      ASSERT_EQ(trie.find(text), keys.contains(text) ? keys[text] : Trie::kNone);
    }
  }
}

TEST(Trie, LeavesEmptyKeysOutAndTakesTheLastOfEqualOnes) {
  EXPECT_TRUE(Trie().empty());
  EXPECT_EQ(Trie().longest_prefix("a").length, 0u);
  Trie trie({{"", 1}, {"a", 2}, {"a", 3}});
  EXPECT_FALSE(trie.empty());
  EXPECT_EQ(trie.find(""), Trie::kNone);
  EXPECT_EQ(trie.find("a"), 3u);
  EXPECT_EQ(trie.find("ab"), Trie::kNone);
}

}  // namespace
}  // namespace longhaul
