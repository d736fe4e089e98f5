// `longhaul generate` as a user meets it: text on stdout, figures on stderr, mistakes in one line.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include "../support.h"
#include "base/json.h"
#include "models/models.h"

namespace longhaul {
namespace {

class GenerateCommand : public testing::Test {
 protected:
  void SetUp() override {
    make_run("cable");
    make_run("learned");
    make_run("cable:variant=5");
  }
  void make_run(const std::string& position) const {
    ModelOptions options;
    options.position = position, options.vocab = 320, options.trained_length = 32, options.seed = 4;
    const std::string folder = folder_ / position;
    save_model(*create_model("gpt:layers=2,width=32,heads=2", options), folder);
    write_json(path_join(folder, "train.json"), {{"tokenizer", "bytes"}});
  }
  // Runs `longhaul generate <arguments>` in the test's folder; stdout and stderr into the members.
  int run(const std::string& arguments) {
    const std::string line = "cd '" + folder_.path() + "' && '" LH_PROGRAM "' generate --threads 1 " + arguments +
                             " > .out 2> .err < /dev/null";
    const int status = std::system(line.c_str());
    out_ = read_file(folder_ / ".out");
    err_ = read_file(folder_ / ".err");
    return WEXITSTATUS(status);
  }
  TemporaryFolder folder_;
  std::string out_, err_;
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

TEST_F(GenerateCommand, SamplesAndJson) {
  ASSERT_EQ(run("--model cable --prompt-file - --max-tokens 12 --samples 3 --seed 1 --json"), 0) << err_;
  const Json json = parse_json(out_, "stdout");
  ASSERT_EQ(json["samples"].size(), 3u);
  EXPECT_EQ(json["prompt_tokens"], 1);  // standard input is empty: the beginning of a text
  EXPECT_GT(json["cache_bytes"], 0);
  ASSERT_EQ(run("--model cable --max-tokens 12 --samples 3 --seed 1"), 0) << err_;
  std::string wanted;
  for (size_t n = 0; n < 3; ++n) {
    if (n > 0) wanted += str("\n--- sample ", n + 1, "\n");
    wanted += json["samples"][n]["text"].get<std::string>() + "\n";
  }
  EXPECT_EQ(out_, wanted);
}

TEST_F(GenerateCommand, MistakesAreOneLine) {
  auto refuses = [&](const std::string& arguments, const std::string& part) {
    EXPECT_EQ(run(arguments), 2) << arguments;
    EXPECT_TRUE(contains(err_, part) && err_.find('\n') == err_.size() - 1) << err_;
    EXPECT_EQ(out_, "");
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
  refuses("--model cable --prompt a --prefill-chunk 0", "chunk");
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
