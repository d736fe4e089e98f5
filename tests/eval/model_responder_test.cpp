// Run directories as subjects: a model whose perplexity is known, neighbours in a batch, chunks, refusals, and the program.
#include <ATen/core/grad_mode.h>

#include <cmath>

#include "base/rng.h"
#include "data/pack.h"
#include "eval/responder.h"
#include "eval/runner.h"
#include "models/models.h"
#include "program_test.h"
#include "toy_checkpoint.h"

namespace longhaul {
namespace {

class ModelResponderTest : public ProgramTest {
 protected:
  // A GPT of two layers over bytes; with `zero`, all its logits are equal.
  std::string model(const std::string& name, const std::string& position, bool zero = false, int64_t trained = 16) {
    ModelOptions options;
    options.position = position;
    options.vocab = 257;
    options.trained_length = trained;
    options.seed = 7;
    std::unique_ptr<Model> made = create_model("gpt:layers=2,width=32,heads=2", options);
    at::NoGradGuard off;
    for (const Parameter& parameter : made->parameters().all())
      if (zero) parameter.tensor.zero_();
    std::string folder = root_ + "/" + name;
    save_model(*made, folder);
    return folder;
  }

  std::string data() {
    Rng rng(1, 2);
    std::string text;
    for (int i = 0; i < 600; ++i) text += static_cast<char>('a' + rng.below(26));
    make_folders(root_ + "/text");
    write_file(root_ + "/text/a.txt", text);
    PackOptions options;
    options.inputs = {root_ + "/text"};
    options.output = root_ + "/data";
    options.val_every = 0;
    pack(options);
    return options.output;
  }

  static Request request(int64_t inputs, uint64_t seed, int64_t score_from = 0) {
    Rng rng(seed, 3);
    Loglikelihood asked{{}, score_from};
    for (int64_t i = 0; i <= inputs; ++i) asked.tokens.push_back(static_cast<int64_t>(rng.below(257)));
    return asked;
  }

  static void expect_near(const Answer& a, const Answer& b, double tolerance) {
    ASSERT_EQ(a.log_prob.size(), b.log_prob.size());
    for (size_t i = 0; i < a.log_prob.size(); ++i) EXPECT_NEAR(a.log_prob[i], b.log_prob[i], tolerance) << i;
  }

  const std::string& root_ = folder_.path();
};

TEST_F(ModelResponderTest, EqualLogitsHaveThePerplexityOfTheVocabulary) {
  Subject subject = model_subject(model("zero", "rope", true), {});
  Answers answers = subject.load()->answer({request(8, 1), request(8, 2, 5)});
  ASSERT_EQ(answers.each[0].log_prob.size(), 8u);
  ASSERT_EQ(answers.each[1].log_prob.size(), 3u);
  for (const Answer& answer : answers.each)
    for (double log_prob : answer.log_prob) EXPECT_NEAR(log_prob, -std::log(257.0), 1e-6);
}

TEST_F(ModelResponderTest, NeighboursChunksAndScoredSpanChangeNothing) {
  for (const char* position : {"cable", "rope", "alibi"}) {
    std::string folder = model(position, position);
    std::unique_ptr<Responder> whole = model_subject(folder, {}).load();
    ModelSubjectOptions options;
    options.chunk = 8;
    std::unique_ptr<Responder> chunked = model_subject(folder, options).load();
    std::vector<Request> requests{request(33, 1), request(20, 2), request(33, 3)};
    Answers together = whole->answer(requests), in_chunks = chunked->answer(requests);
    for (size_t i = 0; i < requests.size(); ++i) {
      expect_near(together.each[i], whole->answer({requests[i]}).each[0], 2e-5);
      expect_near(together.each[i], in_chunks.each[i], 2e-5);
    }
    Answer tail = whole->answer({request(33, 1, 30)}).each[0];
    ASSERT_EQ(tail.log_prob.size(), 3u);
    EXPECT_NEAR(tail.log_prob[0], together.each[0].log_prob[30], 2e-5);
    EXPECT_EQ(in_chunks.cost.at("chunk"), 8);
  }
}

// Where how a text is cut decides its logits, cells of another chunk are other cells.
TEST_F(ModelResponderTest, AChunkThatDecidesIsASetting) {
  ToyCheckpoint toy = toy_checkpoint("llama", 257);
  toy.config["rope_scaling"] = {{"type", "clex"}, {"max_factor", 8}};
  toy.config["log_scale"] = false;
  toy.shapes["model.clex_layer.proj_func.ode_up_proj"] = {2, 4};
  toy.shapes["model.clex_layer.proj_func.ode_down_proj"] = {4, 2};
  toy.write(root_);
  ModelSubjectOptions options;
  options.chunk = 8;
  EXPECT_FALSE(model_subject(root_, options).settings.contains("chunk"));
  options.method = "clex:chunks=upstream";
  EXPECT_EQ(model_subject(root_, options).settings.at("chunk"), 8);
}

TEST_F(ModelResponderTest, ALearnedTableRefusesWhatItDoesNotReach) {
  std::unique_ptr<Responder> made = model_subject(model("learned", "learned"), {}).load();
  EXPECT_EQ(made->refusal(16), "");
  EXPECT_TRUE(contains(made->refusal(17), "no position beyond 16")) << made->refusal(17);
}

TEST_F(ModelResponderTest, IdentityIsOfTheFilesAndTheRecipeForgetsTheSeed) {
  std::string a = model("a", "rope"), b = model("b", "rope"), c = model("c", "rope", true);
  EXPECT_EQ(model_subject(a, {}).identity, model_subject(b, {}).identity);
  EXPECT_NE(model_subject(a, {}).identity, model_subject(c, {}).identity);
  write_file(a + "/train.json", "{\"seed\": 1, \"lr\": 0.1}");
  write_file(b + "/train.json", "{\"seed\": 2, \"lr\": 0.1}");
  write_file(c + "/train.json", "{\"seed\": 1, \"lr\": 0.2}");
  EXPECT_EQ(model_subject(a, {}).run.at("recipe"), model_subject(b, {}).run.at("recipe"));
  EXPECT_NE(model_subject(a, {}).run.at("recipe"), model_subject(c, {}).run.at("recipe"));
  EXPECT_EQ(model_subject(b, {}).run.at("seed"), 2);
}

TEST_F(ModelResponderTest, AFolderWithoutAModelIsOneClearError) {
  make_folders(root_ + "/empty");
  EXPECT_TRUE(contains(error_of([&] { model_subject(root_ + "/empty", {}); }), "wanted a model directory"));
  EXPECT_TRUE(contains(error_of([&] { model_subject(root_ + "/absent", {}); }), "no such directory"));
  ModelSubjectOptions options;
  options.vocab = 300;
  std::string small = model("small", "rope");
  EXPECT_TRUE(contains(error_of([&] { model_subject(small, options).load(); }), "vocabulary of at least 300"));
  EXPECT_TRUE(contains(error_of([&] { check_model_subject(small, options); }), "vocabulary of at least 300"));
}

// The whole way: program, task, model, journal, report's JSON.
TEST_F(ModelResponderTest, TheProgramReportsTheKnownPerplexityAndResumes) {
  std::string zero = model("zero", "rope", true), learned = model("learned", "learned");
  std::string command =
      "ppl --threads 1 --json --split train --lengths 8,16,32 --data " + data() + " --model " + zero + "," + learned;
  for (int round = 0; round < 2; ++round) {
    ASSERT_EQ(run(command), 0) << err_;
    const Json board = parse_json(out_, "stdout").at("boards").at(0);
    const Json& results = board.at("models").at(0).at("results");
    for (const char* length : {"8", "16", "32"})
      EXPECT_NEAR(results.at(std::string("perplexity_block_") + length).at("perplexity,none").get<double>(), 257, 1e-3);
    EXPECT_EQ(board.at("data").at("targets"), 576);  // 601 tokens, 600 targets, a multiple of 32
    EXPECT_NEAR(results.at("perplexity_block_8").at("bits_per_byte,none").get<double>(), std::log2(257.0), 1e-5);
    const Json& config = board.at("models").at(1).at("configs").at("perplexity_block_32");
    EXPECT_TRUE(contains(config.at("reason"), "no position beyond 16"));
  }
  int64_t samples = 0;
  for (const Json& record : read_scored(zero + "/eval")) samples += record.at("kind") == "sample";
  EXPECT_EQ(samples, 576 / 8 + 576 / 16 + 576 / 32);
  ASSERT_EQ(run("report . --html r.html --csv r.csv --plot r.png"), 0) << err_;
  for (const char* file : {"r.html", "r.csv", ".out"})
    for (const char* name : {"zero", "learned"}) EXPECT_TRUE(contains(read_file(folder_ / file), name)) << file;
  EXPECT_GT(file_size(root_ + "/r.png"), 0);
}

}  // namespace
}  // namespace longhaul
