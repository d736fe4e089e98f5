// `longhaul generate` as a user meets it: text on stdout, figures on stderr, mistakes in one line.
#include <cctype>

#include "base/json.h"
#include "program_test.h"
#include "tiny_run.h"

namespace longhaul {
namespace {

class GenerateCommand : public ProgramTest {
 protected:
  void SetUp() override {
    for (const char* position : {"cable", "learned", "cable:variant=5"})
      make_tiny_run(folder_ / position, position, 32);
  }
  int run(const std::string& arguments) { return ProgramTest::run("generate --threads 1 " + arguments); }
};

TEST_F(GenerateCommand, ContinuesAPrompt) {
  ASSERT_EQ(run("--model cable --prompt 'Once upon' --max-tokens 40 --seed 1"), 0) << err_;
  const std::string text = out_;
  EXPECT_FALSE(text.empty());
  EXPECT_TRUE(contains(err_, "prompt 9 tokens, ") && contains(err_, "tok/s; cache ")) << err_;
  write_file(folder_ / "prompt.txt", "Once upon");
  for (const char* same : {"--prompt-file prompt.txt", "--prompt 'Once upon' --prefill-chunk 2",
                           "--prompt 'Once upon' --tokenizer bytes", "--prompt 'Once upon' --no-cache"}) {
    ASSERT_EQ(run(str("--model cable --max-tokens 40 --seed 1 ", same)), 0) << err_;
    EXPECT_EQ(out_, text) << same;
  }
  ASSERT_EQ(run("--model cable --prompt 'Once upon' --max-tokens 40 --seed 2"), 0) << err_;
  EXPECT_NE(out_, text);
  ASSERT_EQ(run("--model cable --prompt 'Once upon' --max-tokens 40 --dry-run"), 0) << err_;
  EXPECT_EQ(out_, "");
  EXPECT_TRUE(contains(err_, "would continue 9 tokens by up to 40"));
}

TEST_F(GenerateCommand, BiasesAndPenaltiesAct) {
  ASSERT_EQ(run("--model cable --prompt a --max-tokens 5 --temperature 0 --logit-bias 120=1000"), 0) << err_;
  EXPECT_EQ(out_, "xxxxx\n");
  ASSERT_EQ(run("--model cable --prompt a --max-tokens 4 --temperature 0 --logit-bias 120=1000 --logit-bias 121=999 "
                "--presence-penalty 2"),
            0)
      << err_;
  EXPECT_EQ(out_, "xyxx\n");  // 1000, 998 against 999, then 998 against 997
}

TEST_F(GenerateCommand, SamplesComeInOrderEachToItsEnd) {
  const std::string arguments = "--model cable --max-tokens 40 --samples 3 --seed 1";
  std::vector<std::string> texts;
  auto read_samples = [&] {
    std::vector<Json> samples;
    for (const std::string& line : split(out_, '\n'))
      if (!line.empty()) samples.push_back(parse_json(line, "stdout"));
    return samples;
  };
  ASSERT_EQ(run(arguments + " --prompt-file - --json"), 0) << err_;
  std::vector<Json> lines = read_samples();
  ASSERT_EQ(lines.size(), 4u) << out_;
  for (size_t n = 0; n < 3; ++n) {
    EXPECT_EQ(lines[n]["kind"], "sample");
    EXPECT_EQ(lines[n]["sample"], n + 1);
    EXPECT_EQ(lines[n]["finish"], "length");
    EXPECT_EQ(lines[n]["tokens"], 40);
    texts.push_back(lines[n]["text"]);
  }
  EXPECT_EQ(lines[3]["kind"], "figures");
  EXPECT_EQ(lines[3]["prompt_tokens"], 1);  // standard input is empty: the beginning of a text
  EXPECT_EQ(lines[3]["tokens"], 120);
  EXPECT_GT(lines[3]["cache_bytes"], 0);

  // A letter that ends the second sample and not the first: what is done earlier is shown later all the same.
  size_t stop = 0;
  while (stop < texts[1].size() && (!std::isalnum(static_cast<unsigned char>(texts[1][stop])) ||
                                    texts[0].find(texts[1][stop]) != std::string::npos))
    ++stop;
  ASSERT_LT(stop, texts[1].size()) << "choose another seed";
  const std::string letter(1, texts[1][stop]);
  std::string wanted;
  for (size_t n = 0; n < 3; ++n)
    wanted += str("--- sample ", n + 1, " of 3\n", texts[n].substr(0, texts[n].find(letter)), "\n");
  ASSERT_EQ(run(arguments + " --stop " + letter), 0) << err_;
  EXPECT_EQ(out_, wanted);
  ASSERT_EQ(run(arguments + " --json --stop " + letter), 0) << err_;
  lines = read_samples();
  EXPECT_EQ(lines[0]["finish"], "length");
  EXPECT_EQ(lines[1]["finish"], "stop");
}

TEST_F(GenerateCommand, MistakesAreOneLine) {
  auto refuses = [&](const std::string& arguments, const std::string& part) {
    expect_refusal("generate --threads 1 " + arguments, part);
  };
  refuses("--model learned --prompt 'a prompt of more than thirty-two tokens'",
          "generate: the prompt has 39 tokens, encoding 'learned' ends at 32");
  refuses("--model learned --prompt 'a prompt' --max-tokens 26",
          "need 33 positions, encoding 'learned' ends at 32; "
          "--max-tokens 25 would do");
  EXPECT_EQ(run("--model learned --prompt 'a prompt' --max-tokens 25"), 0) << err_;
  refuses("--model cable:variant=5 --prompt a", "--no-cache reads the whole text again");
  EXPECT_EQ(run("--model cable:variant=5 --prompt a --no-cache --max-tokens 3"), 0) << err_;
  refuses("--model cable --prompt a --top-p 2", "--top-p: wanted a number in [0, 1], got 2");
  refuses("--model cable --prompt a --stop ''", "--stop: wanted a text");
  refuses("--model cable --prompt a --presence-penalty 3", "--presence-penalty: wanted a number in [-2, 2], got 3");
  refuses("--model cable --prompt a --logit-bias 300=1", "--logit-bias: wanted an id in [0, 257), got 300");
  refuses("--model cable --prompt a --logit-bias 1", "--logit-bias: wanted id=number, got '1'");
  refuses("--model cable --prompt a --logit-bias 1=2 --logit-bias 1=3", "--logit-bias: wanted each id once");
  refuses("--model cable --prompt a --prefill-chunk 0", "--prefill-chunk: wanted 1 to 4,294,967,296, got 0");
  refuses("--model cable --prompt a --prefill-chunk 2 --no-cache", "excludes");
  refuses("--model cable --prompt a --repetition-penalty 1e-320", "--repetition-penalty");
  refuses("--model cable --prompt a --max-tokens 0", "max-tokens");
  refuses("--model cable --prompt a --max-tokens 4000M", "this machine has");
  refuses("--model nowhere --prompt a", "nowhere");
  refuses("--model cable --prompt-file nowhere", "nowhere");
  refuses("--model cable --prompt a --prompt-file nowhere", "--prompt");
  remove_all(folder_ / "cable/train.json");
  refuses("--model cable --prompt a", "does not say its tokenizer");
}

}  // namespace
}  // namespace longhaul
