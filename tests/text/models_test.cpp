// The models of a tokenizer.json against their definitions, done slowly, and their rules for what has no token.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <map>
#include <optional>

#include "base/rng.h"
#include "support.h"
#include "text/character_pair.h"
#include "text/unigram.h"
#include "text/utf8.h"
#include "text/word_piece.h"

namespace longhaul {
namespace {

using Ids = std::vector<int64_t>;

template <class Encoder>
Ids encoded(const Encoder& encoder, std::string_view text) {
  Ids ids;
  encoder.encode(text, text.size(), ids);
  return ids;
}

// ---- byte pair encoding over characters -----------------------------------------------------------------------------

// Ids are places in the list.
CharacterPairVocabulary pairs(const std::vector<std::string>& tokens,
                              const std::vector<std::pair<std::string, std::string>>& merges) {
  CharacterPairVocabulary vocabulary;
  std::map<std::string, uint32_t> ids;
  for (const std::string& token : tokens) {
    uint32_t id = ids.emplace(token, ids.size()).first->second;
    vocabulary.tokens.emplace_back(token, id);
  }
  for (const auto& [left, right] : merges) {
    auto rank = static_cast<uint32_t>(vocabulary.merges.size());
    vocabulary.merges.push_back({ids.at(left), ids.at(right), ids.at(left + right), rank});
  }
  return vocabulary;
}

// The lowest rank first, the leftmost of equal ones, over the whole text.
Ids merged_by_definition(const std::vector<Merge>& merges, Ids symbols) {
  for (;;) {
    uint32_t best = UINT32_MAX;
    size_t at = 0;
    int64_t made = 0;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      for (const Merge& merge : merges) {
        if (merge.left == symbols[i] && merge.right == symbols[i + 1] && merge.rank < best) {
          best = merge.rank, at = i, made = merge.merged;
        }
      }
    }
    if (best == UINT32_MAX) return symbols;
    symbols[at] = made;
    symbols.erase(symbols.begin() + static_cast<int64_t>(at) + 1);
  }
}

// Words are encoded one by one where no token reaches across their start: nobody may notice. In every other round one
// does.
TEST(CharacterPair, IsItsDefinitionWhetherOrNotWordsStandAlone) {
  const std::string start = "\xE2\x96\x81";
  for (uint64_t seed = 0; seed < 20; ++seed) {
    Rng rng(7, seed);
    std::vector<std::string> tokens = {start, "a", "b", "\xC3\xA9"};
    std::vector<std::pair<std::string, std::string>> merges;
    while (merges.size() < 40) {
      std::string left = tokens[rng.below(tokens.size())], right = tokens[rng.below(tokens.size())];
      bool crosses = !left.ends_with(start) && right.starts_with(start);
      bool known = std::find(tokens.begin(), tokens.end(), left + right) != tokens.end();
      if (left.size() + right.size() > 12 || (crosses && seed % 2 == 0) || known) continue;
      merges.emplace_back(left, right);
      tokens.push_back(left + right);
    }
    const CharacterPairVocabulary vocabulary = pairs(tokens, merges);
    CharacterPairEncoder encoder(vocabulary);
    for (int round = 0; round < 200; ++round) {
      std::string text;
      Ids symbols;
      for (uint64_t i = 0, length = 1 + rng.below(round % 4 == 0 ? 150 : 20); i < length; ++i) {
        symbols.push_back(static_cast<int64_t>(rng.below(4)));
        text += tokens[static_cast<size_t>(symbols.back())];
      }
      ASSERT_EQ(encoded(encoder, text), merged_by_definition(vocabulary.merges, symbols)) << text;
    }
  }
}

TEST(CharacterPair, WritesUnknownCharactersAsBytesOrAsOneUnknownToken) {
  CharacterPairVocabulary vocabulary = pairs({"<unk>", "a", "<0xC3>", "<0xA9>"}, {});
  EXPECT_EQ(encoded(CharacterPairEncoder(vocabulary), "a\xC3\xA9z"), (Ids{1}));  // no unknown token: left out
  vocabulary.unknown = 0;
  EXPECT_EQ(encoded(CharacterPairEncoder(vocabulary), "xya\xC3\xA9z"), (Ids{0, 0, 1, 0, 0}));
  vocabulary.fuse_unknown = true;
  EXPECT_EQ(encoded(CharacterPairEncoder(vocabulary), "xya\xC3\xA9z"), (Ids{0, 1, 0}));
  vocabulary.byte_tokens[0xC3] = 2;
  EXPECT_EQ(encoded(CharacterPairEncoder(vocabulary), "a\xC3\xA9"), (Ids{1, 0}));  // one of its bytes has no token
  vocabulary.byte_tokens[0xA9] = 3;
  EXPECT_EQ(encoded(CharacterPairEncoder(vocabulary), "a\xC3\xA9z"), (Ids{1, 2, 3, 0}));
  EXPECT_EQ(encoded(CharacterPairEncoder(vocabulary), "x\xC3\xA9y"),
            (Ids{2, 3, 0}));  // `tokenizers` 0.23: behind the bytes
}

TEST(CharacterPair, SpellsThePlaceInAWordWithAffixes) {
  CharacterPairVocabulary vocabulary = pairs({"a", "##b", "##c</w>", "a</w>", "ab", "abc</w>"}, {});
  vocabulary.continuing_prefix = "##";
  vocabulary.end_suffix = "</w>";
  vocabulary.merges = {{0, 1, 4, 0}, {4, 2, 5, 1}};
  CharacterPairEncoder encoder(vocabulary);
  EXPECT_EQ(encoded(encoder, "abc"), (Ids{5}));
  EXPECT_EQ(encoded(encoder, "a"), (Ids{3}));
  EXPECT_EQ(encoded(encoder, "abbc"), (Ids{4, 1, 2}));
  EXPECT_EQ(encoded(encoder, "c"), (Ids{}));  // no token for a word of this letter alone
}

TEST(CharacterPair, IgnoresMergesWhenAsked) {
  CharacterPairVocabulary vocabulary = pairs({"a", "b", "ab", "ba", "aba"}, {{"a", "b"}});
  EXPECT_EQ(encoded(CharacterPairEncoder(vocabulary), "aba"), (Ids{2, 0}));
  vocabulary.ignore_merges = true;
  EXPECT_EQ(encoded(CharacterPairEncoder(vocabulary), "aba"), (Ids{4}));
  EXPECT_EQ(encoded(CharacterPairEncoder(vocabulary), "abab"), (Ids{2, 2}));
}

// ---- unigram --------------------------------------------------------------------------------------------------------

// The best way to every place, by all tokens that end there: of equal ones the longest last token, which is found
// first. What is no token's character may be unknown (id 0).
Ids best_way(const UnigramVocabulary& vocabulary, std::string_view text) {
  struct Way {
    double score = 0;
    Ids ids;
  };
  std::vector<std::optional<Way>> ways(text.size() + 1);
  ways[0] = Way{};
  for (size_t end = 1; end <= text.size(); ++end) {
    auto consider = [&](size_t length, double score, int64_t id) {
      const Way& before = *ways[end - length];
      if (ways[end] && score + before.score <= ways[end]->score) return;
      ways[end] = Way{score + before.score, before.ids};
      ways[end]->ids.push_back(id);
    };
    for (size_t length = end; length > 0; --length) {
      std::string_view last = text.substr(end - length, length);
      bool known = false;
      for (const UnigramToken& token : vocabulary.tokens) {
        if (token.text != last) continue;
        consider(length, token.score, token.id);
        known = true;
      }
      if (!known && length == 1) consider(1, vocabulary.unknown_score, 0);
    }
  }
  return ways[text.size()]->ids;
}

TEST(Unigram, FindsTheBestOfAllWays) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    Rng rng(11, seed);
    UnigramVocabulary vocabulary;
    vocabulary.unknown = 0;
    std::map<std::string, double> scores;
    while (scores.size() < 40) {
      std::string token;
      for (uint64_t i = 0, length = 1 + rng.below(5); i < length; ++i) token += static_cast<char>('a' + rng.below(4));
      scores[token] = -1 - 12 * rng.uniform();
    }
    scores.erase("d");  // unknown, unless it is within a longer token
    double least = 0;
    for (const auto& [token, score] : scores) {
      vocabulary.tokens.push_back({token, score, static_cast<uint32_t>(vocabulary.tokens.size()) + 1});
      least = std::min(least, score);
    }
    vocabulary.unknown_score = least - 10;
    UnigramEncoder<double> encoder(vocabulary);
    for (int round = 0; round < 300; ++round) {
      std::string text;
      for (uint64_t i = 0, length = 1 + rng.below(60); i < length; ++i) text += static_cast<char>('a' + rng.below(4));
      Ids wanted = best_way(vocabulary, text);
      wanted.erase(std::unique(wanted.begin(), wanted.end(), [](int64_t a, int64_t b) { return a == 0 && b == 0; }),
                   wanted.end());  // a run of unknown characters is one token
      ASSERT_EQ(encoded(encoder, text), wanted) << text;
    }
  }
}

// As above with sums that are kept as floats, for a long text: from every place, the shorter token first. As SentencePiece 0.2.3
// does, sums begin anew at a place where the best is below -100,000.
Ids best_way_in_float(const UnigramVocabulary& vocabulary, std::string_view text, size_t longest) {
  struct Place {
    float score = 0;
    size_t length = 0;
    uint32_t id = 0;
  };
  std::map<std::string_view, const UnigramToken*> tokens;
  for (const UnigramToken& token : vocabulary.tokens) tokens.emplace(token.text, &token);
  std::vector<Place> places(text.size() + 1);
  for (size_t start = 0; start < text.size(); ++start) {
    if (start > 0 && places[start].length == 0) continue;
    const size_t most = std::min(longest, text.size() - start);
    if (const float base = places[start].score; base < -100000)
      for (size_t i = start; i <= start + most; ++i) places[i].score -= base;
    for (size_t length = 1; length <= most; ++length) {
      const auto found = tokens.find(text.substr(start, length));
      if (found == tokens.end()) continue;
      const float score = static_cast<float>(found->second->score) + places[start].score;
      Place& end = places[start + length];
      if (end.length == 0 || score > end.score) end = {score, length, found->second->id};
    }
  }
  Ids ids;
  for (size_t end = text.size(); end > 0; end -= places[end].length) ids.push_back(places[end].id);
  std::reverse(ids.begin(), ids.end());
  return ids;
}

// Words that were met before are looked up: nobody may notice. Scores that are multiples of a power of two make sums that are
// equal, that lie in the middle between two floats, or that differ by less than the totals' rounding; these are some 200,000.
TEST(Unigram, RemembersWordsAsTheSumsOfTheWholeTextRound) {
  const std::string start = "\xE2\x96\x81";
  std::vector<int64_t> changed(3);
  for (uint64_t seed = 0; seed < 24; ++seed) {
    Rng rng(12, seed);
    const double grid = seed % 3 == 0 ? 0 : seed % 3 == 1 ? 512 : 4096;
    UnigramVocabulary vocabulary;
    std::map<std::string, double> scores;
    auto score = [&] {
      if (grid == 0) return -1 - 11 * rng.uniform();
      return -4 - static_cast<double>(rng.below(4)) - static_cast<double>(rng.below(8)) / grid;
    };
    for (const char* letter : {"a", "b", "c"}) scores[letter] = score() - 3;
    scores[start] = score();
    while (scores.size() < 60) {
      std::string token = rng.below(2) ? start : "";
      for (uint64_t i = 0, length = 1 + rng.below(4); i < length; ++i) token += static_cast<char>('a' + rng.below(3));
      scores.emplace(token, score());
    }
    for (const auto& [token, value] : scores)
      vocabulary.tokens.push_back({token, value, static_cast<uint32_t>(vocabulary.tokens.size())});
    const UnigramEncoder<float> encoder(vocabulary);
    std::string text;
    for (int word = 0; word < 20000; ++word) {
      text += start;
      for (uint64_t i = 0, length = 1 + rng.below(rng.below(20) == 0 ? 30 : 6); i < length; ++i)
        text += static_cast<char>('a' + rng.below(3));
    }
    const Ids wanted = best_way_in_float(vocabulary, text, 8);
    ASSERT_EQ(encoded(encoder, text), wanted) << seed;
    ASSERT_EQ(encoded(encoder, text), wanted) << seed << ", all words known";
    // What rounding changes: the same words alone.
    Ids alone;
    for (size_t at = 0, end = 0; at < text.size(); at = end) {
      end = std::min(text.find(start, at + 1), text.size());
      const Ids ids = encoded(encoder, text.substr(at, end - at));
      alone.insert(alone.end(), ids.begin(), ids.end());
    }
    changed[seed % 3] += alone != wanted;
  }
  EXPECT_GT(changed[1] + changed[2], 0);  // or the test would show nothing
}

// Sums of the best way to every place: ab (-1) and then a, or a and then ba (-1): equal, so the way found first stays.
TEST(Unigram, OfEqualWaysTheFirstFoundStays) {
  UnigramVocabulary vocabulary;
  vocabulary.tokens = {{"a", -1, 0}, {"ab", -1, 1}, {"ba", -1, 2}, {"b", -4, 3}};
  EXPECT_EQ(encoded(UnigramEncoder<double>(vocabulary), "aba"), (Ids{0, 2}));  // aba is reached from place 1 first
}

TEST(Unigram, WritesUnknownRunsAsBytesOrOneToken) {
  UnigramVocabulary vocabulary;
  vocabulary.tokens = {{"<unk>", 0, 0}, {"a", -1, 1}};
  EXPECT_TRUE(
      contains(error_of([&] { encoded(UnigramEncoder<double>(vocabulary), "az"); }), "a character has no token"));
  vocabulary.unknown = 0;
  vocabulary.unknown_score = -11;
  EXPECT_EQ(encoded(UnigramEncoder<double>(vocabulary), "xyaz"), (Ids{0, 1, 0}));
  EXPECT_EQ(encoded(UnigramEncoder<double>(vocabulary), "a<unk>a"), (Ids{1, 0, 1}));
  vocabulary.byte_tokens['x'] = 2;
  EXPECT_EQ(encoded(UnigramEncoder<double>(vocabulary), "xaxy"), (Ids{2, 1, 0}));  // y has no token: none of the run
  vocabulary.byte_tokens['y'] = 3;
  EXPECT_EQ(encoded(UnigramEncoder<double>(vocabulary), "xaxy"), (Ids{2, 1, 2, 3}));
}

// ---- WordPiece ------------------------------------------------------------------------------------------------------

TEST(WordPiece, TakesTheLongestTokenEachTime) {
  WordPieceVocabulary vocabulary;
  vocabulary.tokens = {{"[UNK]", 0}, {"un", 1},     {"una", 2},       {"##aff", 3},
                       {"##ff", 4},  {"##able", 5}, {"##\xC3\xA9", 6}};
  WordPieceEncoder encoder(vocabulary);
  EXPECT_EQ(encoded(encoder, "un"), (Ids{1}));
  EXPECT_EQ(encoded(encoder, "unaffable"), (Ids{2, 4, 5}));  // "una" before "un", though both lead on
  EXPECT_EQ(encoded(encoder, "unaff\xC3\xA9"), (Ids{2, 4, 6}));
  EXPECT_EQ(encoded(encoder, "unaffx"), (Ids{0}));  // the whole word
  EXPECT_EQ(encoded(encoder, "able"), (Ids{0}));    // only as a continuation
  EXPECT_EQ(encoded(encoder, "##aff"), (Ids{3}));   // spelled as a token
  vocabulary.longest_word = 5;
  EXPECT_EQ(encoded(WordPieceEncoder(vocabulary), "una\xC3\xA9\xC3\xA9"), (Ids{2, 6, 6}));  // characters, not bytes
  EXPECT_EQ(encoded(WordPieceEncoder(vocabulary), "unaffable"), (Ids{0}));
}

}  // namespace
}  // namespace longhaul
