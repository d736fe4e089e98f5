// tokenizer.model: messages written byte by byte here, ids worked out by hand from the library's algorithms.
#include "text/sentence_piece.h"

#include <gtest/gtest.h>

#include <bit>
#include <map>

#include "base/files.h"
#include "support.h"
#include "text/sentence_piece_normalizer.h"
#include "text/streaming_decoder.h"
#include "text/utf8.h"

namespace longhaul {
namespace {

using Ids = std::vector<int64_t>;
enum Type { kNormal = 1, kUnknown, kControl, kUserDefined, kUnused, kByte };
const std::string kSpace = "\xE2\x96\x81";

std::string varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes + static_cast<char>(value);
}
std::string text_field(int number, const std::string& text) {
  return varint(static_cast<uint64_t>(number) << 3 | 2) + varint(text.size()) + text;
}
std::string number_field(int number, uint64_t value) {
  return varint(static_cast<uint64_t>(number) << 3) + varint(value);
}
std::string piece(const std::string& text, float score, Type type = kNormal) {
  std::string bits;
  for (int i = 0; i < 4; ++i) bits += static_cast<char>(std::bit_cast<uint32_t>(score) >> 8 * i & 0xFF);
  return text_field(1, text_field(1, text) + varint(2 << 3 | 5) + bits + number_field(3, type));
}
std::string trainer(int model_type, bool byte_fallback = false) {
  return text_field(2, number_field(3, static_cast<uint64_t>(model_type)) + number_field(35, byte_fallback));
}
std::string normalizer(bool dummy_prefix, bool remove_extra) {
  return text_field(3, number_field(3, dummy_prefix) + number_field(4, remove_extra) + number_field(5, 1));
}

// Ids: 0 <unk>, 1 <s>, 2 </s>, 3 the space, 4 a, 5 b, 6 ab, 7 space ab, 8 ba.
std::string pieces() {
  return piece("<unk>", 0, kUnknown) + piece("<s>", 0, kControl) + piece("</s>", 0, kControl) + piece(kSpace, -5) +
         piece("a", -6) + piece("b", -7) + piece("ab", -1) + piece(kSpace + "ab", -2) + piece("ba", -0.5);
}

std::unique_ptr<Tokenizer> open(const std::string& model, const TokenizerConfig& config = {}) {
  return make_sentence_piece(parse_sentence_piece_model(model, "m"), config, {}, "hash", "m", "spec");
}
Ids encoded(const Tokenizer& tokenizer, std::string_view text, bool with_special = false) {
  Ids ids;
  with_special ? tokenizer.encode_with_special(text, ids) : tokenizer.encode(text, ids);
  return ids;
}

// A compiled map of replacements: a double array in which every node's children have 256 places of their own.
std::string charsmap_of(const std::map<std::string, std::string>& rules) {
  std::map<std::string, uint32_t> bases;  // of the children of every text that a rule begins with
  for (const auto& [text, replacement] : rules)
    for (size_t length = 0; length <= text.size(); ++length)
      bases.emplace(text.substr(0, length), static_cast<uint32_t>(256 * (bases.size() + 1)));
  std::vector<uint32_t> units(256 * (bases.size() + 1), 0);
  std::string texts;
  for (const auto& [text, base] : bases) {
    if (text.empty()) {
      units[0] = base << 10;
      continue;
    }
    const auto byte = static_cast<unsigned char>(text.back());
    const uint32_t place = bases.at(text.substr(0, text.size() - 1)) ^ byte;
    const auto rule = rules.find(text);
    units[place] = byte | (rule != rules.end()) << 8 | (place ^ base) << 10;
    if (rule == rules.end()) continue;
    units[base] = uint32_t{1} << 31 | static_cast<uint32_t>(texts.size());
    texts += rule->second + '\0';
  }
  std::string bytes;
  auto put = [&](uint32_t value) {
    for (int i = 0; i < 4; ++i) bytes += static_cast<char>(value >> 8 * i & 0xFF);
  };
  put(static_cast<uint32_t>(4 * units.size()));
  for (uint32_t unit : units) put(unit);
  return bytes + texts;
}

TEST(SentencePiece, RulesAndUserDefinedPiecesAreFoundAmongPlainText) {
  const std::string rules = charsmap_of(
      {{"A", "b"}, {"e\xCC\x81", "\xC3\xA9"}, {"xy", "z"}, {" \xCC\x88", "\""}, {"\t", " "}, {"q\xC3", "k"}});
  const SentencePieceModel model = parse_sentence_piece_model(
      pieces() + piece("zAp", 0, kUserDefined) + trainer(1) +
          text_field(3, text_field(2, rules) + number_field(3, 0) + number_field(4, 0) + number_field(5, 1)),
      "m");
  const SentencePieceNormalizer normalizer(model, "m");
  EXPECT_EQ(normalizer.apply("cAcA"), "cbcb");
  EXPECT_EQ(normalizer.apply("ee\xCC\x81"
                             "e"),
            "e\xC3\xA9"
            "e");
  EXPECT_EQ(normalizer.apply("a e"), "a" + kSpace + "e");
  EXPECT_EQ(normalizer.apply("xxyx"), "xzx");
  EXPECT_EQ(normalizer.apply("a \xCC\x88"
                             "b\tc"),
            "a\"b" + kSpace + "c");
  EXPECT_EQ(normalizer.apply("zzApA"), "zzApb");
  EXPECT_EQ(normalizer.apply("qa\xC3\xA9"), "qa\xC3\xA9");
  EXPECT_EQ(error_of([&] { normalizer.apply("q\xC3\xA9"); }),
            "m: precompiled_charsmap: a rule ends inside a character");
}

TEST(SentencePiece, MergesPairsOfTheHighestScoreFirst) {
  auto tokenizer = open(pieces() + trainer(2) + normalizer(true, true));
  EXPECT_EQ(encoded(*tokenizer, "ab"), (Ids{7}));
  EXPECT_EQ(encoded(*tokenizer, "aba"), (Ids{3, 4, 8}));
  EXPECT_EQ(encoded(*tokenizer, "abab"), (Ids{3, 4, 8, 5}));
  EXPECT_EQ(encoded(*tokenizer, ""), (Ids{}));
}

TEST(SentencePiece, TrimsAndJoinsSpacesWhenTheModelSaysSo) {
  EXPECT_EQ(encoded(*open(pieces() + trainer(2) + normalizer(true, true)), "  ab   ab "), (Ids{7, 7}));
  EXPECT_EQ(encoded(*open(pieces() + trainer(2) + normalizer(true, true)), "   "), (Ids{}));
  EXPECT_EQ(encoded(*open(pieces() + trainer(2) + normalizer(true, false)), " ab  "), (Ids{3, 7, 3, 3}));
  EXPECT_EQ(encoded(*open(pieces() + trainer(2) + normalizer(false, false)), "ab ab"), (Ids{6, 7}));
}

TEST(SentencePiece, KnowsUnknownCharactersBytesAndSpecialPieces) {
  auto tokenizer = open(pieces() + trainer(2) + normalizer(false, false));
  EXPECT_EQ(encoded(*tokenizer, "axyb"), (Ids{4, 0, 5}));  // a run of unknown characters is one piece
  EXPECT_EQ(encoded(*tokenizer, "<s>a"), (Ids{0, 4}));     // typed control pieces are text
  EXPECT_EQ(encoded(*tokenizer, "<s>a", true), (Ids{1, 4}));
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) {
    char text[8];
    std::snprintf(text, sizeof text, "<0x%02X>", byte);
    bytes += piece(text, 0, kByte);
  }
  tokenizer = open(pieces() + bytes + trainer(2, true) + normalizer(false, false));
  EXPECT_EQ(encoded(*tokenizer, "a\xC3\xA9"), (Ids{4, 9 + 0xC3, 9 + 0xA9}));
  EXPECT_EQ(encoded(*tokenizer, "\xFF"), (Ids{9 + 0xEF, 9 + 0xBF, 9 + 0xBD}));  // read as U+FFFD
  EXPECT_EQ(tokenizer->decode({9 + 0xC3, 9 + 0xA9, 4, 9 + 0xE4, 9 + 0xBD, 4, 9 + 0xFF}),
            "\xC3\xA9"
            "a\xEF\xBF\xBD\xEF\xBF\xBD"
            "a\xEF\xBF\xBD");  // one for each byte that is no character
}

// Pieces 0 to 8; its folder adds one plain and one special token, with a gap between them.
TEST(SentencePiece, TokensThatItsFolderAddsStandBehindThePieces) {
  TemporaryFolder folder;
  write_file(folder / "tokenizer.model", pieces() + piece("xy", -3) + trainer(2) + normalizer(true, true));
  write_file(folder / "added_tokens.json", R"({"<pad>": 10, "[turn]": 12})");
  write_file(folder / "special_tokens_map.json", R"({"additional_special_tokens": ["<pad>"]})");
  auto tokenizer = make_tokenizer(folder.path());
  EXPECT_EQ(tokenizer->vocab_size(), 13);
  EXPECT_EQ(tokenizer->vocab_size_without_added(), 10);
  EXPECT_EQ(encoded(*tokenizer, "ab[turn]ab<pad>"),
            (Ids{7, 12, 7, 0, 4, 0}));  // a special one is text: unknown but for its a
  EXPECT_EQ(encoded(*tokenizer, "ab[turn]x<pad>", true), (Ids{7, 12, 3, 0, 10}));
  EXPECT_EQ(tokenizer->decode({7, 12, 10, 11, 7}), "ab[turn] ab");
  EXPECT_EQ(tokenizer->decode_with_special({7, 12, 10, 7}), "ab[turn]<pad> ab");
  std::vector<std::string> names;
  for (const NamedFile& file : tokenizer_files(folder.path())) names.push_back(file.name);
  EXPECT_EQ(names, (std::vector<std::string>{"tokenizer.model", "added_tokens.json", "special_tokens_map.json"}));
  write_file(folder / "added_tokens.json", R"({"<pad>": 10, "[turn]": 10})");
  EXPECT_TRUE(contains(error_of([&] { make_tokenizer(folder.path()); }), "id 10 is another token's already"));
  write_file(folder / "added_tokens.json", "{}");
  write_file(folder / "tokenizer_config.json", R"({"added_tokens_decoder": {"10": "<pad>"}})");
  EXPECT_EQ(error_of([&] { make_tokenizer(folder.path()); }),
            "tokenizer_config.json: added_tokens_decoder.10: wanted an object, found string");
}

TEST(SentencePiece, UserDefinedPiecesAreNeverCutInBpeAndLikelyInUnigram) {
  std::string all = pieces() + piece("b-b", 0, kUserDefined) + piece("b-", 0, kUserDefined);
  EXPECT_EQ(encoded(*open(all + trainer(2) + normalizer(true, true)), "ab-bab-a"), (Ids{3, 4, 9, 4, 10, 4}));
  // Either costs 0.1 there: space, a, b-, ba, b-, a is -17.7, with b-b in front it is -23.2.
  EXPECT_EQ(encoded(*open(all + trainer(1) + normalizer(true, true)), "ab-bab-a"), (Ids{3, 4, 10, 8, 10, 4}));
}

// Letters that only occur inside longer pieces merge, and are unknown when they are left over.
TEST(SentencePiece, LettersThatAreNoPiecesStillMerge) {
  auto tokenizer = open(pieces() + piece("xy", -3) + trainer(2) + normalizer(false, false));
  EXPECT_EQ(encoded(*tokenizer, "axyb"), (Ids{4, 9, 5}));
  EXPECT_EQ(encoded(*tokenizer, "axzxyyb"), (Ids{4, 0, 9, 0, 5}));
}

TEST(SentencePiece, UnigramTakesTheMostLikelyPieces) {
  auto tokenizer = open(pieces() + trainer(1) + normalizer(true, true));
  EXPECT_EQ(encoded(*tokenizer, "ab"), (Ids{7}));         // -2; space, ab: -6
  EXPECT_EQ(encoded(*tokenizer, "aba"), (Ids{7, 4}));     // -8; space, a, ba: -11.5
  EXPECT_EQ(encoded(*tokenizer, "bab"), (Ids{3, 8, 5}));  // space, b, ab: -13; space, ba, b: -12.5
  EXPECT_EQ(encoded(*tokenizer, "azzb"), (Ids{3, 4, 0, 5}));
}

TEST(SentencePiece, DecodesAndStreamsWithTheSpaceInFrontGone) {
  for (bool remove_extra : {true, false}) {
    auto tokenizer = open(pieces() + trainer(1) + normalizer(true, remove_extra));
    EXPECT_EQ(tokenizer->decode({1, 7, 7, 2}), "ab ab");
    EXPECT_EQ(tokenizer->decode_with_special({1, 7, 2}), "<s> ab</s>");
    EXPECT_EQ(tokenizer->decode({3, 3, 6}), remove_extra ? "ab" : " ab");  // all spaces in front go, or one
    EXPECT_EQ(tokenizer->decode({4, 0, 5}), "a \xE2\x81\x87 b");
    StreamingDecoder behind(*tokenizer);  // a text that goes on has no first space to lose
    behind.skip(Ids{1, 4});
    EXPECT_EQ(behind.push(7), " ab");
    behind.finish();
    behind.skip(Ids{1});
    EXPECT_EQ(behind.push(7), "ab");
    StreamingDecoder decoder(*tokenizer);
    std::string text = decoder.push(7) + "|";
    text += decoder.push(7) + "|";
    text += decoder.finish();
    EXPECT_EQ(text, "ab| ab|");
  }
  EXPECT_EQ(open(pieces() + trainer(1) + normalizer(false, false))->decode({7}), " ab");
  EXPECT_TRUE(contains(error_of([] { open(pieces() + trainer(1))->decode({9}); }), "ids must be in [0, 9), got 9"));
}

TEST(SentencePiece, PutsAroundATextWhatTheConfigSays) {
  auto tokenizer = open(pieces() + trainer(1));
  EXPECT_EQ(tokenizer->before_text(), (Ids{1}));
  EXPECT_EQ(tokenizer->after_text(), (Ids{}));
  EXPECT_EQ(tokenizer->end_of_text(), 2);
  TokenizerConfig config;
  config.add_bos_token = false;
  config.add_eos_token = true;
  EXPECT_EQ(open(pieces() + trainer(1), config)->before_text(), (Ids{}));
  EXPECT_EQ(open(pieces() + trainer(1), config)->after_text(), (Ids{2}));
}

TEST(SentencePiece, WhatIsWrongIsNamed) {
  auto error = [](const std::string& model) { return error_of([&] { open(model); }); };
  EXPECT_TRUE(contains(error(""), "m: wanted a SentencePiece model of 1 to"));
  EXPECT_TRUE(contains(error("\x0A\x50"), "m: not a SentencePiece model, or cut off: wanted 80 more bytes, found 0"));
  EXPECT_TRUE(contains(error("\x0B"), "wire type 3"));
  EXPECT_TRUE(contains(error(std::string(11, '\xFF')), "more than 64 bits"));
  EXPECT_TRUE(contains(error(pieces() + trainer(3)), "model type 3 is not supported"));
  EXPECT_TRUE(contains(error(pieces() + piece("a", 0)), "m: piece 9: its text is another piece's already"));
  EXPECT_TRUE(contains(error(pieces() + piece("<0x00>", 0, kByte)),
                       "m: piece 9: a byte piece, but the model does not use any"));
  EXPECT_TRUE(contains(error(pieces() + trainer(2, true)), "m: wanted 256 byte pieces, found 0"));
  EXPECT_TRUE(contains(error(piece("a", 0)), "m: wanted one piece of type unknown, found 0"));
  EXPECT_TRUE(contains(error(pieces() + piece("\xFF", 0)), "m: piece 9: wanted a text of UTF-8"));
  EXPECT_TRUE(
      contains(error(pieces() + piece("c", std::bit_cast<float>(0x7F800000))), "m: piece 9: wanted a score that is"));
  EXPECT_TRUE(contains(error(pieces() + piece("c", 0, kUnused) + trainer(2)), "unused pieces are not supported"));
  EXPECT_TRUE(contains(error(pieces() + text_field(3, text_field(2, "abc"))), "precompiled_charsmap: wanted the size"));
}

TEST(SentencePiece, EveryCutOffModelIsAnErrorOrASmallerModel) {
  const std::string model = pieces() + trainer(1) + normalizer(true, true);
  for (size_t size = 0; size < model.size(); ++size) {
    std::string message = error_of([&] { encoded(*open(model.substr(0, size)), "ab z"); });
    EXPECT_FALSE(contains(message, "\n")) << message;
  }
}

// ---- the other files ------------------------------------------------------------------------------------------------

std::string base64_of_byte(int byte) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  return {digits[static_cast<size_t>(byte >> 2)], digits[static_cast<size_t>(byte << 4 & 0x3F)], '=', '='};
}

Json tekken() {
  Json vocab = Json::array();
  for (int byte = 0; byte < 256; ++byte)
    vocab.push_back({{"rank", byte}, {"token_bytes", base64_of_byte(byte)}, {"token_str", nullptr}});
  for (const char* token : {"YWI=", "YmM=", "YWJj"}) {  // ab, bc, abc
    vocab.push_back({{"rank", vocab.size()}, {"token_bytes", token}, {"token_str", nullptr}});
  }
  return {{"config", {{"pattern", "[a-z]+|[^a-z]+"}, {"default_vocab_size", 262}, {"default_num_special_tokens", 3}}},
          {"vocab", vocab},
          {"special_tokens", Json::array({{{"rank", 1}, {"token_str", "<s>"}, {"is_control", true}},
                                          {{"rank", 2}, {"token_str", "</s>"}, {"is_control", true}}})}};
}

TEST(Tekken, MergesTheNeighboursOfTheLowestRank) {
  TemporaryFolder folder;
  write_file(folder / "tekken.json", tekken().dump());
  auto tokenizer = make_tokenizer(folder.path());
  EXPECT_EQ(tokenizer->vocab_size(), 262);
  EXPECT_EQ(encoded(*tokenizer, "abc"), (Ids{261}));
  EXPECT_EQ(encoded(*tokenizer, "abcb"), (Ids{261, 3 + 'b'}));
  EXPECT_EQ(encoded(*tokenizer, "bcab1"), (Ids{260, 259, 3 + '1'}));
  EXPECT_EQ(encoded(*tokenizer, "</s>").size(), 4u);
  EXPECT_EQ(encoded(*tokenizer, "a</s>", true), (Ids{3 + 'a', 2}));
  EXPECT_EQ(tokenizer->before_text(), (Ids{1}));
  EXPECT_EQ(tokenizer->end_of_text(), 2);
  EXPECT_EQ(tokenizer->decode({1, 261, 3 + 0xC3, 3 + 0xA9}), "abc\xC3\xA9");
  EXPECT_EQ(tokenizer->decode_with_special({0, 1}), "<SPECIAL_0><s>");
}

TEST(Tekken, WhatIsWrongIsNamed) {
  auto error = [](const std::function<void(Json&)>& change) {
    Json json = tekken();
    change(json);
    return error_of([&] { parse_tekken_json(json.dump(), "t"); });
  };
  EXPECT_EQ(error([](Json&) {}), "no error");
  EXPECT_TRUE(contains(error([](Json& j) { j.erase("config"); }), "t: wanted a tekken.json with config and vocab"));
  EXPECT_TRUE(contains(error([](Json& j) { j["config"]["default_vocab_size"] = 300; }),
                       "t: vocab: wanted a list of at least 297"));
  EXPECT_TRUE(contains(error([](Json& j) { j["vocab"][3]["rank"] = 4; }), "t: vocab[3]: wanted rank 3"));
  EXPECT_TRUE(
      contains(error([](Json& j) { j["vocab"][3]["token_bytes"] = "?"; }), "t: vocab[3]: token_bytes: wanted base64"));
  EXPECT_TRUE(
      contains(error([](Json& j) { j["vocab"][3]["token_bytes"] = "BA=="; }), "t: vocab[4]: its bytes are another"));
  EXPECT_TRUE(
      contains(error([](Json& j) { j["special_tokens"][0]["rank"] = 3; }), "t: special_tokens[0]: rank: wanted"));
}

std::string rwkv_lines(const std::string& more) {
  std::string lines;
  for (int byte = 0; byte < 256; ++byte) {
    char line[32];
    std::snprintf(line, sizeof line, "%d b'\\x%02x' 1\n", byte + 1, byte);
    lines += line;
  }
  return lines + more;
}

TEST(RwkvWorld, TakesTheLongestTokenEachTime) {
  TemporaryFolder folder;
  write_file(
      folder / "rwkv_vocab_v20230424.txt",
      rwkv_lines(
          "300 'ab' 2\n301 \"it's  \\n\" 7\n302 '\\u4f60' 3\n303 '\\xe9\\'' 3\n305 b'\\xe4\\xbd' 2\r\n304 'abcd' 4\n"));
  auto tokenizer = make_tokenizer(folder.path());
  EXPECT_EQ(tokenizer->vocab_size(), 306);
  EXPECT_EQ(encoded(*tokenizer, "abcabcd"), (Ids{300, 'c' + 1, 304}));
  EXPECT_EQ(encoded(*tokenizer, "it's  \n\xE4\xBD\xA0\xC3\xA9'"), (Ids{301, 302, 303}));
  EXPECT_EQ(encoded(*tokenizer, "<|endoftext|>").size(), 13u);
  EXPECT_EQ(tokenizer->end_of_text(), 0);
  EXPECT_EQ(tokenizer->decode({0, 300, 305}), "ab\xE4\xBD");
  EXPECT_EQ(tokenizer->decode_with_special({300, 0}), "ab<|endoftext|>");
  StreamingDecoder decoder(*tokenizer);
  EXPECT_EQ(decoder.push(305), "");
  EXPECT_EQ(decoder.push(0xA0 + 1), "\xE4\xBD\xA0");
  EXPECT_TRUE(contains(error_of([&] { tokenizer->decode({299}); }), "no token has the id 299, found at position 0"));
}

TEST(RwkvWorld, NamesTheLineThatIsWrong) {
  TemporaryFolder folder;
  auto error = [&](const std::string& lines) {
    write_file(folder / "rwkv_vocab.txt", lines);
    return error_of([&] { make_tokenizer(folder / "rwkv_vocab.txt"); });
  };
  EXPECT_TRUE(contains(error("1 'a' 1\n"), "rwkv_vocab.txt: no token for the byte 0"));
  const std::pair<const char*, const char*> wrong[] = {{"300", "wanted an id, a text and its length"},
                                                       {"300 ab 2", "wanted a text in quotation marks"},
                                                       {"300 'ab' 3", "wanted a text of 3 bytes, found 2"},
                                                       {"0 'ab' 2", "wanted an id in [1, "},
                                                       {"7 'ab' 2", "id 7 is another token's already"},
                                                       {"300 '\\x4' 1", "an escape is cut off"},
                                                       {"300 '\\ud800' 3", "an escape is no character"},
                                                       {"300 '\\q' 1", "unknown escape"},
                                                       {"300 b'\\u0041' 1", "unknown escape"},
                                                       {"300 '\\' 1", "an escape is cut off"},
                                                       {"x 'ab' 2", "'x'"}};
  for (const auto& [line, message] : wrong) {
    std::string found = error(rwkv_lines(line));
    EXPECT_TRUE(contains(found, "rwkv_vocab.txt:257: ") && contains(found, message)) << found;
  }
}

TEST(TokenizerFiles, AFolderIsSearchedInOrder) {
  TemporaryFolder folder;
  auto name = [&] { return file_name(tokenizer_files(folder.path()).at(0).path); };
  EXPECT_TRUE(tokenizer_files(folder.path()).empty());
  write_file(folder / "vocab.json", "{}");
  EXPECT_TRUE(tokenizer_files(folder.path()).empty());  // without merges.txt it is none
  for (const char* file :
       {"merges.txt", "rwkv_vocab_b.txt", "rwkv_vocab_a.txt", "tekken.json", "tokenizer.model", "tokenizer.json"}) {
    write_file(folder / file, "");
    EXPECT_EQ(name(), std::string(file) == "merges.txt" ? "vocab.json" : file);
  }
  write_file(folder / "tokenizer_config.json", "{}");
  auto files = tokenizer_files(folder / "tokenizer.model.v3");
  ASSERT_EQ(files.size(), 2u);
  EXPECT_EQ(files[0].name, "tokenizer.model");
  EXPECT_EQ(files[1].name, "tokenizer_config.json");
}

}  // namespace
}  // namespace longhaul
