// Added tokens, normal forms, templates, decoding, cuts: expected values are worked out by hand from the rules of
// Hugging Face's `tokenizers`.
#include "text/pipeline_tokenizer.h"

#include <gtest/gtest.h>

#include <cstdio>

#include "support.h"
#include "text/made_up.h"
#include "text/streaming_decoder.h"
#include "text/utf8.h"

namespace longhaul {
namespace {

using Ids = std::vector<int64_t>;

SortedJson special(const std::string& content) {
  return {{"content", content}, {"special", true}, {"normalized", false}};
}
SortedJson plain(const std::string& content, const std::string& flag = "") {
  SortedJson token = {{"content", content}, {"special", false}, {"normalized", false}};
  if (!flag.empty()) token[flag] = true;
  return token;
}

TEST(AddedTokens, SpecialOnesAreTextUnlessAskedFor) {
  PipelineTokenizer tokenizer = made_up_tokenizer(made_up_json({}, {special("<|endoftext|>"), plain("<x>")}));
  EXPECT_EQ(ids_of(tokenizer, "a<|endoftext|><x>", true), (Ids{'a', 256, 257}));
  EXPECT_EQ(ids_of(tokenizer, "a<|endoftext|><x>").size(), 1 + 13 + 1u);
  EXPECT_EQ(tokenizer.end_of_text(), 256);
  EXPECT_EQ(tokenizer.decode({'a', 256, 257}), "a<x>");
  EXPECT_EQ(tokenizer.decode_with_special({'a', 256, 257}), "a<|endoftext|><x>");
  EXPECT_EQ(error_of([&] { tokenizer.decode({258}); }), "tokenizer: ids must be in [0, 258), got 258 at position 0");
}

TEST(AddedTokens, IdsBetweenThemThatNoTokenHasGiveNoText) {
  SortedJson json = made_up_json({}, {special("[M]")});
  json["added_tokens"][0]["id"] = 300;
  PipelineTokenizer tokenizer = made_up_tokenizer(json);
  EXPECT_EQ(tokenizer.vocab_size(), 301);
  EXPECT_EQ(tokenizer.decode({'a', 299, 'b', 300}), "ab");
  EXPECT_EQ(tokenizer.decode_with_special({'a', 299, 'b', 300}), "ab[M]");
  EXPECT_EQ(error_of([&] { tokenizer.decode({301}); }), "tokenizer: ids must be in [0, 301), got 301 at position 0");
}

TEST(AddedTokens, TheLeftmostAndThenTheLongestIsFound) {
  PipelineTokenizer tokenizer = made_up_tokenizer(made_up_json({}, {plain("bc"), plain("ab"), plain("abcd")}));
  EXPECT_EQ(ids_of(tokenizer, "abc"), (Ids{257, 'c'}));
  EXPECT_EQ(ids_of(tokenizer, "abcdbc"), (Ids{258, 256}));
  EXPECT_EQ(ids_of(tokenizer, "aabcd"), (Ids{'a', 258}));
}

TEST(AddedTokens, TakeSpacesAlongOrStandAlone) {
  auto with = [](const std::string& flag) { return made_up_tokenizer(made_up_json({}, {plain("[M]", flag)})); };
  EXPECT_EQ(ids_of(with("lstrip"), "a \n[M] b"), (Ids{'a', 256, ' ', 'b'}));
  EXPECT_EQ(ids_of(with("rstrip"), "a [M] \xC2\xA0 b"), (Ids{'a', ' ', 256, 'b'}));
  EXPECT_EQ(ids_of(with("single_word"), "[M] a[M] [M]_ [M]"),
            (Ids{256, ' ', 'a', '[', 'M', ']', ' ', '[', 'M', ']', '_', ' ', 256}));
  EXPECT_EQ(ids_of(with("single_word"), "\xC3\xA9[M]").size(), 5u);  // a letter of two bytes before it
}

// As in the tokenizers library, which falls over the second.
TEST(AddedTokens, SpacesThatAreTakenAreNoTokensOfTheirOwn) {
  const SortedJson both = {{"content", "\n"}, {"special", false}, {"lstrip", true}, {"rstrip", true}};
  EXPECT_EQ(ids_of(made_up_tokenizer(made_up_json({}, {both})), "a\n\nb"), (Ids{'a', 256, 'b'}));
  PipelineTokenizer two = made_up_tokenizer(made_up_json({}, {plain("[M]", "rstrip"), plain("\n", "lstrip")}));
  EXPECT_EQ(ids_of(two, "a[M]\n\n\nb"), (Ids{'a', 256, 'b'}));
}

TEST(PipelineTokenizer, NormalisesWhatIsNoRawToken) {
  const std::string composed = "\xC3\xA9", apart = "e\xCC\x81";
  SortedJson json = made_up_json({}, {plain(apart + "!"), {{"content", apart + "?"}, {"normalized", true}}});
  json["normalizer"] = {{"type", "NFC"}};
  PipelineTokenizer tokenizer = made_up_tokenizer(json);
  EXPECT_EQ(ids_of(tokenizer, apart), ids_of(tokenizer, composed));
  EXPECT_EQ(ids_of(tokenizer, "x" + apart + "y"), (Ids{'x', 0xC3, 0xA9, 'y'}));
  EXPECT_EQ(ids_of(tokenizer, apart + "!"), (Ids{256}));  // found before normalising: as it is written
  EXPECT_EQ(ids_of(tokenizer, composed + "!"), (Ids{0xC3, 0xA9, '!'}));
  EXPECT_EQ(ids_of(tokenizer, composed + "?"), (Ids{257}));  // found after it, in either spelling
  EXPECT_EQ(ids_of(tokenizer, apart + "?"), (Ids{257}));
  EXPECT_EQ(ids_of(tokenizer, "\xE1\x84\x92\xE1\x85\xA1 \xEF\xAC\x81"), ids_of(tokenizer, "\xED\x95\x98 \xEF\xAC\x81"));
  json["normalizer"] = {{"type", "Sequence"}, {"normalizers", {{{"type", "NFKC"}}}}};
  EXPECT_EQ(ids_of(made_up_tokenizer(json), "\xEF\xAC\x81"), (Ids{'f', 'i'}));
}

TEST(PipelineTokenizer, ReadsWhatIsNoUtf8AsReplacementCharacters) {
  PipelineTokenizer tokenizer = made_up_tokenizer(made_up_json({}));
  EXPECT_EQ(ids_of(tokenizer, "a\xFF\xE4\xBD"), (Ids{'a', 0xEF, 0xBF, 0xBD, 0xEF, 0xBF, 0xBD}));
}

TEST(PipelineTokenizer, CutsByGivenPatternsStepByStep) {
  SortedJson json = made_up_json({{"a", "b"}, {"1", "2"}, {"b", "1"}});
  SortedJson split = {{"type", "Split"}, {"pattern", {{"Regex", "b"}}}, {"behavior", "Isolated"}, {"invert", false}};
  SortedJson end = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}};
  json["pre_tokenizer"] = {{"type", "Sequence"},
                           {"pretokenizers", {{{"type", "Digits"}, {"individual_digits", true}}, split, end}}};
  EXPECT_EQ(ids_of(made_up_tokenizer(json), "ab12"), (Ids{'a', 'b', '1', '2'}));
  split["behavior"] = "Removed";
  json["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", {split, end}}};
  EXPECT_EQ(ids_of(made_up_tokenizer(json), "ab12b"), (Ids{'a', 257}));
  json["pre_tokenizer"]["pretokenizers"][0]["invert"] = true;  // what is between the matches goes
  EXPECT_EQ(ids_of(made_up_tokenizer(json), "ab12b"), (Ids{'b', 'b'}));
  json["pre_tokenizer"] = {{"type", "ByteLevel"}, {"add_prefix_space", true}};
  EXPECT_EQ(ids_of(made_up_tokenizer(json), "ab"), (Ids{' ', 256}));
  EXPECT_EQ(ids_of(made_up_tokenizer(json), " ab"), (Ids{' ', 256}));
}

TEST(PipelineTokenizer, CountsIdsWithoutTokensThatWereOnlyAdded) {
  const PipelineTokenizer tokenizer = made_up_tokenizer(made_up_json({{"a", "b"}}, {special("a"), special("<s>")}));
  EXPECT_EQ(tokenizer.vocab_size(), 258);
  EXPECT_EQ(tokenizer.vocab_size_without_added(), 257);
}

TEST(PipelineTokenizer, KnowsWhatGoesAroundAText) {
  SortedJson json = made_up_json({}, {special("<s>"), special("</s>")});
  auto token = [](const char* name) { return SortedJson{{"SpecialToken", {{"id", name}, {"type_id", 0}}}}; };
  SortedJson text = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
  SortedJson tokens = {{"<s>", {{"id", "<s>"}, {"ids", {256}}, {"tokens", {"<s>"}}}},
                       {"</s>", {{"id", "</s>"}, {"ids", {257}}, {"tokens", {"</s>"}}}}};
  json["post_processor"] = {{"type", "TemplateProcessing"},
                            {"single", {token("<s>"), text, token("</s>")}},
                            {"pair", SortedJson::array()},
                            {"special_tokens", tokens}};
  PipelineTokenizer tokenizer = made_up_tokenizer(json);
  EXPECT_EQ(tokenizer.before_text(), (Ids{256}));
  EXPECT_EQ(tokenizer.after_text(), (Ids{257}));
  EXPECT_EQ(tokenizer.end_of_text(), -1);
  EXPECT_EQ(parse_tokenizer_json(json.dump(), "x", TokenizerConfig{"</s>", {}}).end_of_text, 257);
}

// ---- SentencePiece's BPE as Hugging Face converts it ----------------------------------------------------------------

const std::string kSpace = "\xE2\x96\x81";

// Ids: 0 <unk>, 1 <s> (added), 2.. bytes, then the space, a, b, space a, ab.
SortedJson llama(bool legacy) {
  SortedJson vocab = {{"<unk>", 0}, {"<s>", 1}};
  for (int byte = 0; byte < 256; ++byte) {
    char spelling[8];
    std::snprintf(spelling, sizeof spelling, "<0x%02X>", byte);
    vocab[spelling] = 2 + byte;
  }
  for (const std::string& token : {kSpace, std::string("a"), std::string("b"), kSpace + "a", std::string("ab")}) {
    vocab[token] = vocab.size();
  }
  SortedJson merges = SortedJson::array({SortedJson::array({kSpace, "a"}), SortedJson::array({"a", "b"})});
  SortedJson space = {{"String", " "}}, back = {{"String", kSpace}};
  SortedJson replace = {{"type", "Replace"}, {"pattern", space}, {"content", kSpace}};
  SortedJson json = {{"added_tokens", {{{"id", 1}, {"content", "<s>"}, {"special", true}, {"normalized", false}}}},
                     {"model",
                      {{"type", "BPE"},
                       {"vocab", vocab},
                       {"merges", merges},
                       {"unk_token", "<unk>"},
                       {"fuse_unk", true},
                       {"byte_fallback", true}}},
                     {"decoder",
                      {{"type", "Sequence"},
                       {"decoders",
                        {{{"type", "Replace"}, {"pattern", back}, {"content", " "}},
                         {{"type", "ByteFallback"}},
                         {{"type", "Fuse"}},
                         {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}}}}}};
  if (legacy) {
    json["normalizer"] = {{"type", "Sequence"}, {"normalizers", {{{"type", "Prepend"}, {"prepend", kSpace}}, replace}}};
  } else {
    json["pre_tokenizer"] = {
        {"type", "Metaspace"}, {"replacement", kSpace}, {"prepend_scheme", "first"}, {"split", false}};
  }
  return json;
}

TEST(PipelineTokenizer, LlamaPutsASpaceBeforeEveryPartOrOnlyTheFirst) {
  PipelineTokenizer legacy = made_up_tokenizer(llama(true)), later = made_up_tokenizer(llama(false));
  EXPECT_EQ(ids_of(legacy, "ab<s>a b", true), (Ids{261, 260, 1, 261, 258, 260}));
  EXPECT_EQ(ids_of(later, "ab<s>ab b", true), (Ids{261, 260, 1, 262, 258, 260}));
  EXPECT_EQ(ids_of(later, "<s>ab", true), (Ids{1, 262}));  // no longer the first
  EXPECT_EQ(ids_of(legacy, " a"), (Ids{258, 261}));
  EXPECT_EQ(ids_of(later, " a"), (Ids{261}));  // it begins with a space already
  EXPECT_EQ(ids_of(later, "\xC3\xA9"), (Ids{258, 2 + 0xC3, 2 + 0xA9}));
  EXPECT_EQ(ids_of(later, ""), (Ids{}));
}

TEST(PipelineTokenizer, AFirstSpaceGoesOnceAndByteRunsAreHeldBack) {
  PipelineTokenizer tokenizer = made_up_tokenizer(llama(true));
  EXPECT_EQ(tokenizer.decode({1, 261, 261}), "a a");
  EXPECT_EQ(tokenizer.decode_with_special({1, 261}), "<s> a");
  StreamingDecoder decoder(tokenizer);
  std::vector<std::string> parts;
  for (int64_t id : {258, 261, 2 + 0xC3, 2 + 0xA9, 259, 2 + 0xC3, 260, 2 + 0xE4}) parts.push_back(decoder.push(id));
  parts.push_back(decoder.finish());
  const std::string bad = "\xEF\xBF\xBD";
  EXPECT_EQ(parts, (std::vector<std::string>{"", " a", "", "",
                                             "\xC3\xA9"
                                             "a",
                                             "", bad + "b", "", bad}));
  EXPECT_EQ(decoder.push(261), "a");  // a new text
}

// `tokenizers` 0.23: such a token is looked for, and decoded, as the normalizer writes it.
TEST(PipelineTokenizer, NormalizedAddedTokensAreFoundAsTheyAreNormalised) {
  SortedJson json = llama(true);
  json["added_tokens"].push_back({{"id", 300}, {"content", "x y"}, {"normalized", true}, {"special", true}});
  PipelineTokenizer tokenizer = made_up_tokenizer(json);
  EXPECT_EQ(ids_of(tokenizer, "a x y", true), (Ids{261, 300}));
  EXPECT_EQ(ids_of(tokenizer, "ax y", true), ids_of(tokenizer, "ax y"));  // no space before it
  EXPECT_EQ(tokenizer.decode({261, 300}), "a x y");                       // and is no longer spelled as the special one
}

// Cut UTF-8, tokens of half a character, special ones in between.
TEST(PipelineTokenizer, StreamsWhatItDecodes) {
  Rng rng(5, 6);
  PipelineTokenizer tokenizer = made_up_tokenizer(made_up_json({}, {special("<s>")}));
  for (int round = 0; round < 500; ++round) {
    Ids ids;
    for (int i = 0; i < 10; ++i)
      ids.push_back(static_cast<int64_t>(rng.below(3) ? 0x80 + rng.below(129) : rng.below(257)));
    StreamingDecoder decoder(tokenizer);
    std::string text;
    for (int64_t id : ids) text += decoder.push(id);
    text += decoder.finish();
    EXPECT_EQ(text, to_utf8(tokenizer.decode(ids)));
  }
}

std::string random_text(Rng& rng, size_t words) {
  static const std::vector<std::string> parts = {"a",  "b",   "ab", " ",        "  ",       "\n",  " \n", "'s",
                                                 "1",  "23",  "!",  "?",        "e",        "[M]", "<s>", "\t",
                                                 "ba", "a b", ".",  "\xCC\x81", "\xC3\xA9", "\xFF"};
  std::string text;
  for (size_t i = 0; i < words; ++i) text += parts[rng.below(parts.size())];
  return text;
}

std::vector<SortedJson> cut_tokens() {
  return {special("<s>"), plain("  "), plain("[M]", "lstrip"), plain("ab", "single_word")};
}

TEST(SafeCut, BothPartsGiveTheIdsOfTheWhole) {
  Rng rng(7, 8);
  SortedJson json = made_up_json(random_merges(rng, "ab1!", 40), cut_tokens());
  json["normalizer"] = {{"type", "NFC"}};
  std::vector<SortedJson> pretokenizers = {json["pre_tokenizer"]};
  pretokenizers.push_back({{"type", "ByteLevel"}, {"add_prefix_space", true}});
  for (std::string_view pattern : {kLlama3Pattern, kQwen2Pattern}) {
    SortedJson split = {{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}};
    SortedJson end = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}};
    pretokenizers.push_back({{"type", "Sequence"}, {"pretokenizers", {split, end}}});
  }
  int cuts = 0;
  for (const SortedJson& pretokenizer : pretokenizers) {
    json["pre_tokenizer"] = pretokenizer;
    PipelineTokenizer tokenizer = made_up_tokenizer(json);
    for (int round = 0; round < 2000; ++round) {
      std::string text = random_text(rng, 12);
      size_t cut = tokenizer.safe_cut(text, rng.below(text.size()));
      cuts += cut < text.size();
      for (bool with_special : {false, true}) {
        Ids ids = ids_of(tokenizer, text.substr(0, cut), with_special),
            right = ids_of(tokenizer, text.substr(cut), with_special);
        ids.insert(ids.end(), right.begin(), right.end());
        ASSERT_EQ(ids, ids_of(tokenizer, text, with_special)) << text << " cut at " << cut;
      }
    }
  }
  EXPECT_GT(cuts, 3000);
}

TEST(SafeCut, ThereIsNoneWhereATokenOrAPatternMayReachAcross) {
  auto cut_with = [](SortedJson token) { return made_up_tokenizer(made_up_json({}, {token})).safe_cut("a b c", 0); };
  EXPECT_EQ(cut_with(plain("x")), 1u);
  EXPECT_EQ(cut_with(plain("a b")), 5u);
  EXPECT_EQ(cut_with(plain("b", "rstrip")), 5u);
  EXPECT_EQ(cut_with(plain(" b", "single_word")), 5u);
  SortedJson json = made_up_json({});
  json["pre_tokenizer"] = {{"type", "Sequence"},
                           {"pretokenizers",
                            {{{"type", "Split"}, {"pattern", {{"Regex", "\\S+ \\S+|."}}}, {"behavior", "Isolated"}},
                             {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}}}};
  EXPECT_EQ(made_up_tokenizer(json).safe_cut("a b c", 0), 5u);
}

TEST(EncodeParallel, ABigTextGivesTheSameIdsOnAnyNumberOfThreads) {
  Rng rng(9, 10);
  PipelineTokenizer tokenizer = made_up_tokenizer(made_up_json(random_merges(rng, "ab1!", 40), cut_tokens()));
  std::string text = random_text(rng, 600'000);
  for (bool with_special : {false, true}) {
    Ids one = ids_of(tokenizer, text, with_special);
    for (int threads : {1, 2, 3, 8}) {
      Ids many;
      encode_parallel(tokenizer, text, threads, many, with_special);
      EXPECT_TRUE(one == many) << threads;
    }
  }
}

}  // namespace
}  // namespace longhaul
