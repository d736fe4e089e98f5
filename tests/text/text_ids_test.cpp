#include "text/text_ids.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace longhaul {
namespace {

TEST(TextIdsTest, IsAMapInTheOrderOfComing) {
  std::vector<std::string> texts = {""};
  for (int i = 0; i < 5000; ++i)
    texts.push_back(std::string(static_cast<size_t>(i % 7), '\0') + std::to_string(i % 3000));
  for (size_t expected : {size_t{0}, texts.size()}) {
    TextIds ids(expected);
    std::map<std::string_view, uint32_t> wanted;
    for (size_t i = 0; i < texts.size(); ++i) {
      const auto id = static_cast<uint32_t>(3 * i);
      EXPECT_EQ(ids.add(texts[i], id), wanted.emplace(texts[i], id).second);
    }
    EXPECT_EQ(ids.find("no such text"), nullptr);
    ASSERT_EQ(ids.entries().size(), wanted.size());
    for (const auto& [text, id] : wanted) {
      ASSERT_NE(ids.find(text), nullptr);
      EXPECT_EQ(*ids.find(text), id);
    }
    EXPECT_EQ(ids.entries()[1].first, texts[1]);
    ids.put(texts[1], 7);
    ids.put("new", 8);
    EXPECT_EQ(*ids.find(texts[1]), 7u);
    EXPECT_EQ(*ids.find("new"), 8u);
    EXPECT_EQ(ids.entries().size(), wanted.size() + 1);
  }
}

}  // namespace
}  // namespace longhaul
