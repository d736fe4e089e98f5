// The small pieces of a tokenizer.json, each by the rules of Hugging Face's `tokenizers`: expected values are worked
// out by hand.
#include <gtest/gtest.h>

#include "support.h"
#include "text/normalizer.h"
#include "text/pretokenizer.h"
#include "text/token_decoder.h"
#include "text/utf8.h"

namespace longhaul {
namespace {

Json sequence(const char* key, std::vector<Json> pieces) { return {{"type", "Sequence"}, {key, pieces}}; }

// ---- normalizer -----------------------------------------------------------------------------------------------------

std::string normalized_by(const Json& piece, std::string text) {
  Normalizer(piece, "n").apply(text);
  return text;
}
// Whether the text still begins where it began.
bool keeps_start(const Json& piece, std::string text) { return Normalizer(piece, "n").apply(text); }

Json replace(const char* kind, const char* pattern, const char* content) {
  return {{"type", "Replace"}, {"pattern", {{kind, pattern}}}, {"content", content}};
}

TEST(Normalizer, NormalForms) {
  const std::string text =
      "\xEF\xAC\x81"
      "e\xCC\x81";  // the ligature fi, e and an acute accent
  EXPECT_EQ(normalized_by({{"type", "NFC"}}, text), "\xEF\xAC\x81\xC3\xA9");
  EXPECT_EQ(normalized_by({{"type", "NFD"}}, "\xC3\xA9"), "e\xCC\x81");
  EXPECT_EQ(normalized_by({{"type", "NFKC"}}, text), "fi\xC3\xA9");
  EXPECT_EQ(normalized_by({{"type", "NFKD"}}, "\xEF\xAC\x81\xC3\xA9"), "fie\xCC\x81");
}

TEST(Normalizer, PrependAndReplace) {
  Json prepend = {{"type", "Prepend"}, {"prepend", "\xE2\x96\x81"}};
  EXPECT_EQ(normalized_by(prepend, "a"),
            "\xE2\x96\x81"
            "a");
  EXPECT_EQ(normalized_by(prepend, ""), "");
  EXPECT_EQ(normalized_by(replace("String", "aa", "b"), "aaaxaa"), "baxb");
  EXPECT_EQ(normalized_by(replace("String", ".", "-"), "a.b"), "a-b");  // no expression
  EXPECT_EQ(normalized_by(replace("Regex", " {2,}", " "), "a   b c  "), "a b c ");
  EXPECT_EQ(normalized_by(sequence("normalizers", {prepend, replace("String", " ", "\xE2\x96\x81")}), "a b"),
            "\xE2\x96\x81"
            "a\xE2\x96\x81"
            "b");
}

TEST(Normalizer, BytesAsCharacters) {
  EXPECT_EQ(normalized_by({{"type", "ByteLevel"}}, "a \xC3\xA9"), "a\xC4\xA0\xC3\x83\xC2\xA9");
}

TEST(Normalizer, SaysWhetherTheBeginningWentAway) {
  EXPECT_TRUE(keeps_start(replace("String", " ", "_"), " a"));
  EXPECT_FALSE(keeps_start(replace("String", " ", ""), " a"));
  EXPECT_FALSE(keeps_start(replace("Regex", " {2,}", " "), "  a"));  // the space is the second of them
  EXPECT_TRUE(keeps_start(replace("Regex", " {2,}", " "), "a  "));
  EXPECT_FALSE(keeps_start({{"type", "Strip"}}, " a"));
  EXPECT_TRUE(keeps_start({{"type", "Strip"}}, "a "));
}

TEST(Normalizer, StripLowercaseAccents) {
  EXPECT_EQ(normalized_by({{"type", "Strip"}},
                          " \n\xC2\xA0"
                          "a b\xE3\x80\x80"),
            "a b");
  EXPECT_EQ(normalized_by({{"type", "Strip"}, {"strip_left", false}, {"strip_right", true}}, " a "), " a");
  EXPECT_EQ(normalized_by({{"type", "Lowercase"}}, "A\xC3\x89\xCE\xA3\xC4\xB0"), "a\xC3\xA9\xCF\x83i\xCC\x87");
  EXPECT_EQ(normalized_by({{"type", "StripAccents"}}, "e\xCC\x81\xC3\xA9\xE0\xA4\x83"),
            "e\xC3\xA9");  // not decomposed first
}

TEST(Normalizer, Nmt) {
  EXPECT_EQ(normalized_by({{"type", "Nmt"}},
                          "a\x01\tb\nc\x7F\xE2\x80\x8B"
                          "d\xEF\xBB\xBF"
                          "e\xC2\x8F"),
            "a b c d e");
}

TEST(Normalizer, Bert) {
  Json bert = {{"type", "BertNormalizer"},
               {"clean_text", true},
               {"handle_chinese_chars", true},
               {"strip_accents", nullptr},
               {"lowercase", true}};
  EXPECT_EQ(normalized_by(bert, "\xC3\x89t\x01\xC3\xA9\t\xE4\xB8\xAD!\xEF\xBF\xBD"), "ete  \xE4\xB8\xAD !");
  bert["lowercase"] = false;  // and accents stay, unless they are asked to go
  EXPECT_EQ(normalized_by(bert, "\xC3\x89"), "\xC3\x89");
  bert["strip_accents"] = true;
  EXPECT_EQ(normalized_by(bert, "\xC3\x89"), "E");
  bert["clean_text"] = bert["handle_chinese_chars"] = false;
  EXPECT_EQ(normalized_by(bert, "\t\xE4\xB8\xAD\x01"), "\t\xE4\xB8\xAD\x01");
}

// A darts-clone array of one rule, worked out by hand: unit 0 is the root with offset 2, so that 'A' (0x41) leads to
// unit 0x43, whose label is 'A', which has a leaf at its own offset 1: unit 0x42 with the value 0. The text at 0 is
// "b".
std::string one_rule() {
  std::vector<uint32_t> units(0x44, 0);
  units[0] = 2 << 10;
  units[0x43] = 'A' | 1 << 8 | 1 << 10;
  units[0x42] = uint32_t{1} << 31;
  std::string bytes;
  auto put = [&](uint32_t value) {
    for (int i = 0; i < 4; ++i) bytes += static_cast<char>(value >> 8 * i & 0xFF);
  };
  put(static_cast<uint32_t>(4 * units.size()));
  for (uint32_t unit : units) put(unit);
  return bytes + std::string("b\0", 2);
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t bit = 0; bit < 8 * bytes.size(); bit += 6) {
    unsigned digit = 0;
    for (size_t i = bit; i < bit + 6; ++i) {
      bool set = i / 8 < bytes.size() && (static_cast<unsigned char>(bytes[i / 8]) >> (7 - i % 8) & 1);
      digit = 2 * digit + set;
    }
    text += digits[digit];
  }
  while (text.size() % 4) text += '=';
  return text;
}

Json precompiled(const std::string& bytes) {
  return {{"type", "Precompiled"}, {"precompiled_charsmap", base64(bytes)}};
}

TEST(Normalizer, Precompiled) {
  EXPECT_EQ(normalized_by(precompiled(one_rule()), "xAAy"), "xbby");
  EXPECT_EQ(normalized_by(precompiled(one_rule()), "A\xCC\x81x"),
            "bx");  // a character of less than 6 bytes is replaced whole
  std::string cut = one_rule();
  cut[cut.size() - 2] = '\xC3';
  EXPECT_EQ(error_of([&] { normalized_by(precompiled(cut), "A"); }),
            "n: precompiled_charsmap: a replacement is no UTF-8");
  std::string wild = one_rule();
  wild[4 + 4 * 0x42] = 9;  // the leaf's value
  EXPECT_TRUE(contains(error_of([&] { normalized_by(precompiled(wild), "A"); }), "behind the last replacement"));
  EXPECT_TRUE(contains(error_of([] { Normalizer(precompiled(one_rule().substr(0, 40)), "n"); }),
                       "found an array of 272 bytes"));
  EXPECT_TRUE(contains(error_of([] {
                         Normalizer(Json{{"type", "Precompiled"}, {"precompiled_charsmap", "#"}}, "n");
                       }),
                       "wanted base64"));
}

// ---- pre_tokenizer --------------------------------------------------------------------------------------------------

using Pieces = std::vector<std::string>;

Pieces cut_by(const Json& piece, const std::string& text, bool first = true) {
  Pretokenizer pretokenizer(piece, "p");
  Pattern::Scratch scratch;
  Pieces pieces;
  pretokenizer.split(text, first, &scratch, [&](std::string_view part, size_t readable) {
    EXPECT_GE(readable, part.size());
    pieces.emplace_back(part);
  });
  return pieces;
}

Json split(const char* kind, const char* pattern, const char* behavior, bool invert = false) {
  return {{"type", "Split"}, {"pattern", {{kind, pattern}}}, {"behavior", behavior}, {"invert", invert}};
}

TEST(Pretokenizer, EveryBehaviorOfASplit) {
  const std::string text = "the-final--countdown";  // the example of the library's documentation
  EXPECT_EQ(cut_by(split("String", "-", "Removed"), text), (Pieces{"the", "final", "countdown"}));
  EXPECT_EQ(cut_by(split("String", "-", "Isolated"), text), (Pieces{"the", "-", "final", "-", "-", "countdown"}));
  EXPECT_EQ(cut_by(split("String", "-", "MergedWithPrevious"), text), (Pieces{"the-", "final-", "-", "countdown"}));
  EXPECT_EQ(cut_by(split("String", "-", "MergedWithNext"), text), (Pieces{"the", "-final", "-", "-countdown"}));
  EXPECT_EQ(cut_by(split("Regex", "-", "Contiguous"), text), (Pieces{"the", "-", "final", "--", "countdown"}));
  EXPECT_EQ(cut_by(split("String", "-", "MergedWithPrevious"), "-a-"), (Pieces{"-", "a-"}));
  EXPECT_EQ(cut_by(split("String", "-", "MergedWithNext"), "-a-"), (Pieces{"-a", "-"}));
  EXPECT_EQ(cut_by(split("Regex", "[a-z]+", "Removed", true), text), (Pieces{"the", "final", "countdown"}));
  EXPECT_EQ(cut_by(split("Regex", "[a-z]+", "MergedWithNext", true), text), (Pieces{"the", "-final", "--countdown"}));
}

// Falcon's steps. Behind ByteLevel the text is its bytes' spelling, where half a character may be a digit: the bytes
// C3 B2 are spelled with a superscript two.
TEST(Pretokenizer, StepsBehindByteLevelCutTheSpelling) {
  const Json falcon = sequence("pretokenizers", {{{"type", "Punctuation"}, {"behavior", "Contiguous"}},
                                                 {{"type", "ByteLevel"}, {"add_prefix_space", false}},
                                                 {{"type", "Digits"}, {"individual_digits", false}},
                                                 split("Regex", "[0-9][0-9][0-9]", "Isolated")});
  EXPECT_EQ(cut_by(falcon, "in 12345 days!!"), (Pieces{"in", " ", "123", "45", " days", "!!"}));
  EXPECT_EQ(cut_by(falcon, "a \xC3\xB2 1"), (Pieces{"a", " \xC3", "\xB2", " ", "1"}));
}

TEST(Pretokenizer, Metaspace) {
  const std::string s = "\xE2\x96\x81";
  auto metaspace = [](const char* scheme, bool cuts) {
    return Json{{"type", "Metaspace"}, {"replacement", "\xE2\x96\x81"}, {"prepend_scheme", scheme}, {"split", cuts}};
  };
  EXPECT_EQ(cut_by(metaspace("always", true), "Hey my  friend"), (Pieces{s + "Hey", s + "my", s, s + "friend"}));
  EXPECT_EQ(cut_by(metaspace("always", true), " a"), (Pieces{s + "a"}));
  EXPECT_EQ(cut_by(metaspace("first", false), "a b"), (Pieces{s + "a" + s + "b"}));
  EXPECT_EQ(cut_by(metaspace("first", false), "a b", false), (Pieces{"a" + s + "b"}));
  EXPECT_EQ(cut_by(metaspace("never", true), "a b"), (Pieces{"a", s + "b"}));
  EXPECT_EQ(cut_by({{"type", "Metaspace"}, {"replacement", "_"}, {"add_prefix_space", false}}, "a b"),
            (Pieces{"a", "_b"}));
  EXPECT_EQ(cut_by({{"type", "Metaspace"}, {"replacement", "_"}, {"add_prefix_space", true}}, "a b"),
            (Pieces{"_a", "_b"}));
  // First of the whole text, not of every piece.
  Json both = sequence("pretokenizers", {{{"type", "WhitespaceSplit"}}, metaspace("first", true)});
  EXPECT_EQ(cut_by(both, "a b"), (Pieces{s + "a", "b"}));
  EXPECT_EQ(cut_by(both, " a b"), (Pieces{"a", "b"}));
}

TEST(Pretokenizer, KindsOfCharacters) {
  const std::string text = "a_b, 12\xC2\xB2\xC2\xA0\xC3\xA9!?";  // superscript two, no-break space, e acute
  EXPECT_EQ(cut_by({{"type", "Whitespace"}}, text), (Pieces{"a_b", ",", "12", "\xC2\xB2", "\xC3\xA9", "!?"}));
  EXPECT_EQ(cut_by({{"type", "WhitespaceSplit"}}, text), (Pieces{"a_b,", "12\xC2\xB2", "\xC3\xA9!?"}));
  EXPECT_EQ(cut_by({{"type", "BertPreTokenizer"}}, text),
            (Pieces{"a", "_", "b", ",", "12\xC2\xB2", "\xC3\xA9", "!", "?"}));
  EXPECT_EQ(cut_by({{"type", "Punctuation"}}, "a,,b$"), (Pieces{"a", ",", ",", "b", "$"}));
  EXPECT_EQ(cut_by({{"type", "Punctuation"}, {"behavior", "Contiguous"}}, "a,,b\xE2\x80\x94"),
            (Pieces{"a", ",,", "b", "\xE2\x80\x94"}));
  EXPECT_EQ(cut_by({{"type", "Digits"}, {"individual_digits", true}}, "a12b"), (Pieces{"a", "1", "2", "b"}));
  EXPECT_EQ(cut_by({{"type", "Digits"}, {"individual_digits", false}}, "a12b"), (Pieces{"a", "12", "b"}));
}

TEST(Pretokenizer, ByteLevelPutsASpaceBeforeEveryPiece) {
  Json last = {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"use_regex", true}};
  EXPECT_EQ(cut_by(last, "a b"), (Pieces{" a", " b"}));
  EXPECT_EQ(cut_by(sequence("pretokenizers", {{{"type", "Digits"}}, last}), "a1"), (Pieces{" a", " 1"}));
}

// ---- decoder --------------------------------------------------------------------------------------------------------

std::string decoded_by(const Json& piece, const std::vector<std::string>& tokens) {
  TokenDecoder decoder(piece, "d");
  TokenDecoder::Run run(decoder);
  std::string text;
  for (const std::string& token : tokens) run.push(token, text);
  run.finish(text);
  return text;
}

const Json kStrip = {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}};

TEST(TokenDecoder, WithoutOneTokensStandApart) {
  TokenDecoder::Run run((TokenDecoder()));
  std::string text;
  for (const char* token : {"a", "b"}) run.push(token, text);
  run.finish(text);
  EXPECT_EQ(text, "a b");
}

TEST(TokenDecoder, ByteFallbackReadsRunsOfBytes) {
  const Json bytes = {{"type", "ByteFallback"}};
  const std::string bad = std::string(kReplacementCharacter);
  EXPECT_EQ(decoded_by(bytes, {"a", "<0xC3>", "<0xa9>", "b"}),
            "a\xC3\xA9"
            "b");
  EXPECT_EQ(decoded_by(bytes, {"<0xC3>", "<0xA9>", "<0xFF>"}), bad + bad + bad);  // the whole run
  EXPECT_EQ(decoded_by(bytes, {"<0xC3>", "<0xA9>", "-", "<0xFF>"}), "\xC3\xA9-" + bad);
  EXPECT_EQ(decoded_by(bytes, {"<0x4>", "<0xG1>", "<0x41"}), "<0x4><0xG1><0x41");
}

TEST(TokenDecoder, StripsEveryTokenOrTheWholeText) {
  EXPECT_EQ(decoded_by(kStrip, {" a", "  b", "c"}), "a bc");
  EXPECT_EQ(decoded_by(sequence("decoders", {{{"type", "Fuse"}}, kStrip}), {" a", " b"}), "a b");
  EXPECT_EQ(decoded_by(sequence("decoders", {{{"type", "Fuse"}}, kStrip}), {"", " ", " b"}), " b");
  EXPECT_EQ(decoded_by(sequence("decoders", {{{"type", "Fuse"}}, kStrip}), {"a", " b"}), "a b");
  Json both = {{"type", "Strip"}, {"content", "-"}, {"start", 1}, {"stop", 2}};
  EXPECT_EQ(decoded_by(both, {"--a---"}), "-a-");
  EXPECT_EQ(decoded_by(sequence("decoders", {{{"type", "Fuse"}}, both}), {"--a-", "--"}), "-a-");
}

TEST(TokenDecoder, TheDecoderOfLlama) {
  const std::string s = "\xE2\x96\x81";
  Json llama = sequence(
      "decoders", {replace("String", "\xE2\x96\x81", " "), {{"type", "ByteFallback"}}, {{"type", "Fuse"}}, kStrip});
  EXPECT_EQ(decoded_by(llama, {s + "Hi", s + s + "you", "<0xF0>", "<0x9F>", "<0x99>", "<0x82>", "!"}),
            "Hi  you\xF0\x9F\x99\x82!");
}

TEST(TokenDecoder, MetaspaceWordPieceAndBpe) {
  const std::string s = "\xE2\x96\x81";
  Json metaspace = {{"type", "Metaspace"}, {"replacement", s}, {"prepend_scheme", "always"}};
  EXPECT_EQ(decoded_by(metaspace, {s + "a" + s, s + "b"}), "a b");  // all of the first token's go
  metaspace["prepend_scheme"] = "never";
  EXPECT_EQ(decoded_by(metaspace, {s + "a", s + "b"}), " a b");
  Json word_piece = {{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", false}};
  EXPECT_EQ(decoded_by(word_piece, {"##un", "##able", "to", "."}), "##unable to .");
  word_piece["cleanup"] = true;
  EXPECT_EQ(decoded_by(word_piece, {"do", "n't", ",", "it", "'s"}), "don't, it's");
  EXPECT_EQ(decoded_by({{"type", "BPEDecoder"}, {"suffix", "</w>"}}, {"a", "b</w>", "c</w>"}), "ab c");
}

TEST(TokenDecoder, BytesAreSpelledAsGpt2Does) {
  TokenDecoder decoder(Json{{"type", "ByteLevel"}}, "d");
  EXPECT_TRUE(decoder.byte_level());
  EXPECT_EQ(decoded_spelling("\xC4\xA0"
                             "a"),
            " a");
  EXPECT_EQ(decoded_spelling("\xE4\xBD\xA0"), "\xE4\xBD\xA0");  // no spelling of bytes: itself
  EXPECT_FALSE(TokenDecoder(sequence("decoders", {{{"type", "ByteLevel"}}, {{"type", "Fuse"}}}), "d").byte_level());
}

TEST(Pieces, WhatIsWrongIsNamed) {
  auto normalizer = [](const Json& piece) { return error_of([&] { Normalizer(piece, "n"); }); };
  auto pretokenizer = [](const Json& piece) { return error_of([&] { Pretokenizer(piece, "p"); }); };
  auto decoder = [](const Json& piece) { return error_of([&] { TokenDecoder(piece, "d"); }); };
  EXPECT_TRUE(contains(normalizer({{"type", "Upper"}}), "n: type \"Upper\" is not supported (wanted NFC"));
  EXPECT_TRUE(contains(normalizer(replace("String", "", "x")), "n: pattern: wanted a text, found \"\""));
  EXPECT_TRUE(contains(normalizer(replace("Regex", "(", "x")), "n: pattern: not a regular expression"));
  EXPECT_TRUE(contains(pretokenizer(split("String", "-", "Sideways")), "p: behavior \"Sideways\" is not supported"));
  EXPECT_TRUE(
      contains(pretokenizer({{"type", "Metaspace"}, {"replacement", "ab"}}), "p: replacement: wanted one character"));
  EXPECT_TRUE(contains(pretokenizer({{"type", "Metaspace"}, {"replacement", "_"}, {"prepend_scheme", "last"}}),
                       "p: prepend_scheme: wanted always, first or never"));
  EXPECT_TRUE(contains(decoder({{"type", "CTC"}}), "d: type \"CTC\" is not supported"));
  EXPECT_TRUE(contains(decoder({{"type", "Strip"}, {"content", ""}, {"start", 1}, {"stop", 0}}),
                       "d: content: wanted one character"));
  EXPECT_TRUE(contains(decoder({{"type", "Strip"}, {"content", " "}, {"start", -1}, {"stop", 0}}), "d: start: wanted"));
}

}  // namespace
}  // namespace longhaul
