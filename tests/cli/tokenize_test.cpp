// `longhaul tokenize` as a user meets it.
#include "program_test.h"
#include "text/made_up.h"

namespace longhaul {
namespace {

class TokenizeCommand : public ProgramTest {
 protected:
  void SetUp() override {
    SortedJson end = {{"content", "<|endoftext|>"}, {"special", true}};
    write_file(folder_ / "tokenizer.json", made_up_json({{"a", "b"}, {"ab", "c"}}, {end}).dump());
  }
  int run(const std::string& arguments, const std::string& input) {
    return ProgramTest::run("tokenize " + arguments, input);
  }
};

TEST_F(TokenizeCommand, WritesIdsAndReadsThem) {
  ASSERT_EQ(run("tokenizer.json", "abc\nab"), 0) << err_;
  EXPECT_EQ(out_, "257 10 256\n");
  ASSERT_EQ(run(". --json --threads 2", "abc\nab"), 0) << err_;
  EXPECT_EQ(out_, "{\"bytes\":6,\"count\":3,\"ids\":[257,10,256]}\n");
  ASSERT_EQ(run("./tokenizer.json --count", "abc\nab"), 0) << err_;
  EXPECT_EQ(out_, "3\n");
  ASSERT_EQ(run(". --decode", "257 10\n256"), 0) << err_;
  EXPECT_EQ(out_, "abc\nab");
  ASSERT_EQ(run(". --decode --json", "[257, 255]"), 0) << err_;
  EXPECT_EQ(out_, "{\"text\":\"abc\xEF\xBF\xBD\"}\n");
  ASSERT_EQ(run(". --decode", "[257, 255]"), 0) << err_;
  EXPECT_EQ(out_, "abc\xFF");  // the bytes as they are, and --help says so
  ASSERT_EQ(run("--help", ""), 0) << err_;
  EXPECT_TRUE(contains(out_, "UTF-8 or not")) << out_;
  ASSERT_EQ(run("bytes", ""), 0) << err_;
  EXPECT_EQ(out_, "\n");
}

TEST_F(TokenizeCommand, ShowsPiecesAndWhereTheyAre) {
  ASSERT_EQ(run(". --pieces", "abc\nab"), 0) << err_;
  EXPECT_EQ(
      out_,
      "     257  0..3              \"abc\"\n      10  3..4              \"\\n\"\n     256  4..6              \"ab\"\n");
  ASSERT_EQ(run(". --pieces --special --json", "ab<|endoftext|>"), 0) << err_;
  EXPECT_EQ(out_, R"({"bytes":15,"count":2,"ids":[256,258],"pieces":[{"id":256,"piece":"ab","offsets":[0,2]},)"
                  R"({"id":258,"piece":"<|endoftext|>","offsets":[2,15]}]})"
                  "\n");
}

TEST_F(TokenizeCommand, SpecialTokensAreReadAndWrittenWhenAsked) {
  ASSERT_EQ(run(". --special", "ab<|endoftext|>"), 0) << err_;
  EXPECT_EQ(out_, "256 258\n");
  ASSERT_EQ(run(". --count", "ab<|endoftext|>"), 0) << err_;
  EXPECT_EQ(out_, "14\n");
  ASSERT_EQ(run(". --decode --special", "256 258"), 0) << err_;
  EXPECT_EQ(out_, "ab<|endoftext|>");
  ASSERT_EQ(run(". --decode", "256 258"), 0) << err_;
  EXPECT_EQ(out_, "ab");
}

TEST_F(TokenizeCommand, MistakesAreOneLineAndExitCode2) {
  write_file(folder_ / "broken.json", "{\"model\": {\"type\": \"WordPiece\"}}");
  write_file(folder_ / "other.json", "{\"model\": {\"type\": \"WordLevel\"}}");
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"nowhere.json", "nowhere.json: "},
      {"byts", "unknown tokenizer 'byts' (did you mean 'bytes'?)"},
      {"Llama-3", "unknown tokenizer 'Llama-3': wanted bytes"},
      {"''", "unknown tokenizer '': wanted bytes"},
      {"broken.json", "broken.json: model: wanted the key vocab, found no such key"},
      {"other.json", "other.json: model: type \"WordLevel\" is not supported (wanted BPE, Unigram or WordPiece)"},
      {". --decode", "tokenize --decode: standard input: wanted an integer, found 'x'"},
      {". --decode --count", "--decode excludes --count"},
      {". --decode --pieces", "excludes"},
      {". --dry-run", "--dry-run"},
  };
  for (const auto& [arguments, message] : cases) expect_refusal("tokenize " + arguments, message, "1 x");
  EXPECT_EQ(run(". --decode", "259"), 2);
  EXPECT_EQ(err_, "longhaul: tokenizer: ids must be in [0, 259), got 259 at position 0\n");
}

}  // namespace
}  // namespace longhaul
