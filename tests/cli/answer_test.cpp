// `longhaul answer`: requests a line, answers a line, in their order.
#include "base/json.h"
#include "program_test.h"
#include "tiny_run.h"

namespace longhaul {
namespace {

class AnswerCommand : public ProgramTest {
 protected:
  void SetUp() override { make_tiny_run(folder_ / "cable", "cable", 128); }
  std::vector<Json> answers(const std::string& arguments, const std::string& input) {
    EXPECT_EQ(run("answer --model cable --threads 1 " + arguments, input), 0) << err_;
    std::vector<Json> lines;
    for (const std::string& line : split(out_, '\n'))
      if (!line.empty()) lines.push_back(parse_json(line, "stdout"));
    return lines;
  }
};

constexpr const char* kRequests = R"({"kind": "generate", "context": "Once", "max_tokens": 20}
{"kind": "loglikelihood", "context": "A sky is", "continuation": " blue"}

{"kind": "loglikelihood", "context": "A sky is", "continuation": " red"}
{"kind": "rolling", "text": "Once upon a time there was a text that is longer than one window."}
{"kind": "generate", "context": "Once", "max_tokens": 3, "stops": ["\n"], "temperature": 0.5, "top_k": 9, "seed": 3}
)";

TEST_F(AnswerCommand, AnswersInOrder) {
  const std::vector<Json> found = answers("--context 64", kRequests);
  ASSERT_EQ(found.size(), 5u) << out_;
  const char* kinds[] = {"generate", "loglikelihood", "loglikelihood", "rolling", "generate"};
  for (size_t i = 0; i < 5; ++i) EXPECT_EQ(found[i]["kind"], kinds[i]);
  EXPECT_EQ(found[0]["tokens"], 20);
  EXPECT_EQ(found[0]["finish"], "length");
  EXPECT_LT(found[1]["log_prob"].get<double>(), 0);
  EXPECT_TRUE(found[1].contains("greedy"));
  EXPECT_EQ(found[2]["tokens"], 4);
  EXPECT_EQ(found[3]["tokens"], 65);
  EXPECT_TRUE(contains(err_, "5 requests answered, ")) << err_;
  // One at a time, in small pieces, they are the same answers.
  const std::vector<Json> again = answers("--context 64 --batch 1 --prefill-chunk 5", kRequests);
  ASSERT_EQ(again.size(), 5u);
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(again[i].value("text", ""), found[i].value("text", ""));
    EXPECT_NEAR(again[i].value("log_prob", 0.0), found[i].value("log_prob", 0.0), 1e-4);
  }
  // The text that generate continues with, greedily.
  ASSERT_EQ(run("generate --threads 1 --model cable --prompt Once --max-tokens 20 --temperature 0"), 0);
  EXPECT_EQ(out_, found[0]["text"].get<std::string>() + "\n");
  EXPECT_EQ(answers("", "").size(), 0u);
  EXPECT_EQ(answers("--dry-run", kRequests).size(), 0u);
  EXPECT_TRUE(contains(err_, "would answer up to 16 requests at a time; cache of 2,048 tokens")) << err_;
}

TEST_F(AnswerCommand, ALineThatIsNoRequestIsAnsweredInItsPlace) {
  const std::pair<const char*, const char*> cases[] = {
      {"nonsense", "not JSON"},
      {"\"\xff", "not JSON"},
      {"[]", "wanted an object"},
      {R"({"kind": "rolling"})", "text: wanted a string"},
      {R"({"kind": "rollin", "text": "x"})", R"(kind: wanted loglikelihood, rolling or generate, found "rollin")"},
      {R"({"kind": "rolling", "text": "x", "continuation": "y"})", "unknown key 'continuation'"},
      {R"({"kind": "generate", "context": "x", "max_tokens": 0.5})", "max_tokens: wanted an integer"},
      {R"({"kind": "generate", "context": "x", "seed": 9223372036854775808})", "seed: wanted an integer"}};
  const std::vector<Json> alone = answers("--context 64", kRequests);
  for (const auto& [line, why] : cases) {
    EXPECT_EQ(run("answer --model cable --threads 1 --context 64", str(kRequests, line, "\n", kRequests)), 2) << line;
    const std::vector<std::string> lines = split(out_, '\n');
    ASSERT_EQ(lines.size(), 12u) << out_;  // eleven and the end
    for (size_t i = 0; i < 10; ++i) {
      const Json answer = parse_json(lines[i < 5 ? i : i + 1], "stdout");
      EXPECT_EQ(answer.value("text", ""), alone[i % 5].value("text", ""));
      EXPECT_NEAR(answer.value("log_prob", 0.0), alone[i % 5].value("log_prob", 0.0), 1e-4);
    }
    const std::string error = parse_json(lines[5], "stdout")["error"];
    EXPECT_TRUE(error.starts_with("line 7: ") && contains(error, why)) << error;
    EXPECT_TRUE(contains(err_, "10 requests answered, ") && contains(err_, why)) << err_;
  }
}

TEST_F(AnswerCommand, WhatCannotBeAnsweredSaysWhyAndTheOthersAreAnswered) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"kind": "loglikelihood", "context": "x", "continuation": ""})",
       "loglikelihood: the continuation adds no token to its context"},
      {R"({"kind": "generate", "context": "x", "top_p": 2})", "top_p: wanted a number in [0, 1], got 2"},
      {R"({"kind": "generate", "context": "x", "top_k": -1})", "top_k: wanted a number >= 0, got -1"},
      {R"({"kind": "generate", "context": "x", "seed": -1})", "seed: wanted a number >= 0, got -1"},
      {R"({"kind": "generate", "context": "x", "max_tokens": 0})", "max_tokens: wanted 1 to 4294967296, got 0"},
      {R"({"kind": "generate", "context": "x", "max_tokens": 65})",
       "a text of 65 tokens with what may continue it, the context has 64"},
      {R"({"kind": "generate", "context": "x", "stops": [""]})", "stops: wanted texts, found an empty one"}};
  const std::vector<Json> alone = answers("--context 64", kRequests);
  for (const auto& [line, why] : cases) {
    EXPECT_EQ(run("answer --model cable --threads 1 --context 64", str(line, "\n", kRequests)), 2) << line;
    const std::vector<std::string> lines = split(out_, '\n');
    ASSERT_EQ(lines.size(), 7u) << out_;  // six and the end
    EXPECT_EQ(parse_json(lines[0], "stdout")["error"], str("line 1: ", why));
    for (size_t i = 0; i < 5; ++i) EXPECT_EQ(parse_json(lines[i + 1], "stdout"), alone[i]);
    EXPECT_TRUE(contains(err_, "5 requests answered, ") && contains(err_, str("longhaul: line 1: ", why, "\n")))
        << err_;
  }
  const std::string bad = cases[0].first;
  EXPECT_EQ(run("answer --model cable --threads 1", bad + "\n\n" + bad), 2);
  EXPECT_EQ(split(out_, '\n').size(), 3u) << out_;
  EXPECT_EQ(err_, str("longhaul: line 1: ", cases[0].second, " (the first of 2 requests that have no answer)\n"));
  // One that fits; the empty text, whose probability is 1, as in the harness.
  EXPECT_EQ(answers("--context 64", R"({"kind": "generate", "context": "x", "max_tokens": 64})").size(), 1u);
  const Json empty = answers("", R"({"kind": "rolling", "text": ""})").at(0);
  EXPECT_EQ(empty.dump(), R"({"kind":"rolling","log_prob":0.0,"tokens":0})");
}

// Asks, waits for the answer, asks again.
TEST_F(AnswerCommand, AnswersWhileTheNextRequestIsThoughtOf) {
  const std::string one = R"({"kind": "generate", "context": "Once", "max_tokens": 3})";
  const std::string talk = "mkfifo ask tell && ('" LH_PROGRAM
                           "' answer --model cable --threads 1 < ask > tell &) && exec 3> ask 4< tell"
                           " && for i in 1 2; do echo '" +
                           one + "' >&3 && timeout 60 head -n 1 <&4 || exit 9; done";
  ASSERT_EQ(run_shell(talk), 0) << err_;
  EXPECT_EQ(split(out_, '\n').size(), 3u) << out_;
}

// Half a line says nothing yet: what came before it is answered.
TEST_F(AnswerCommand, HalfALineHoldsNothingUp) {
  const std::string one = R"({"kind": "generate", "context": "Once", "max_tokens": 3})";
  const std::string half = one.substr(0, 20), rest = one.substr(20);
  const std::string talk =
      "(mkfifo ask tell && ('" LH_PROGRAM
      "' answer --model cable --threads 1 < ask > tell &) && exec 3> ask 4< tell && printf '%s\\n%s' '" +
      one + "' '" + half + "' >&3 && timeout 60 head -n 1 <&4 && printf '%s' '" + rest +
      "' >&3 && exec 3>&- && timeout 60 head -n 1 <&4)";
  ASSERT_EQ(run_shell(talk), 0) << err_;
  const std::vector<std::string> lines = split(out_, '\n');
  ASSERT_EQ(lines.size(), 3u) << out_;
  EXPECT_EQ(lines[0], lines[1]);
}

// Requests that wait in an open pipe are answered together: what they share is read once.
TEST_F(AnswerCommand, WhatWaitsInAPipeIsAnsweredTogether) {
  std::string requests;
  for (const char* more : {" a", " b", " c", " d"})
    requests += str(R"({"kind": "loglikelihood", "context": ")", std::string(60, 'x'), R"(", "continuation": ")", more,
                    "\"}\n");
  ASSERT_EQ(run("answer --model cable --threads 1", requests), 0);
  const auto tokens_read = [&] {
    const size_t end = err_.find(" tokens read");
    return end == std::string::npos ? err_ : err_.substr(err_.find("answered, "), end - err_.find("answered, "));
  };
  const std::string together = tokens_read();
  write_file(folder_ / "requests.jsonl", requests);
  const std::string talk =
      "(touch told; (cat requests.jsonl; while [ $(wc -l < told) -lt 4 ]; do sleep 0.05; done) | "
      "timeout 60 '" LH_PROGRAM "' answer --model cable --threads 1 > told)";
  ASSERT_EQ(run_shell(talk), 0) << err_;
  EXPECT_EQ(tokens_read(), together) << err_;
}

// The output that fails is no request's mistake, and nothing more is computed.
TEST_F(AnswerCommand, AnOutputThatIsGoneEndsIt) {
  const std::string command = str("sh -c \"'", LH_PROGRAM, "' answer --model cable --threads 1 > /dev/full\"");
  for (const std::string first : {R"({"kind": "rolling", "text": ""})", R"({"kind": "rolling", "text": "x"})", "?"}) {
    EXPECT_EQ(run_shell(command, first + "\n" + kRequests), 2);
    EXPECT_EQ(err_, "longhaul: standard output cannot be written\n");
  }
}

TEST_F(AnswerCommand, MistakesAreOneLine) {
  auto refuses = [&](const std::string& arguments, const std::string& input, const std::string& part) {
    expect_refusal("answer --model cable --threads 1 " + arguments, part, input);
  };
  refuses("--window 200", "", "--window: wanted 1 to 128, got 200");
  refuses("--context 0", "", "--context: wanted 1 to 4,294,967,296, got 0");
  refuses("--context 9223372036854775807", "", "--context: wanted 1 to 4,294,967,296, got 9223372036854775807");
  refuses("--batch 0", "", "--batch: wanted 1 to 1048576, got 0");
  refuses("--seed 9223372036854775808", "", "--seed: Value 9223372036854775808 not in range 0 to 9223372036854775807");
}

}  // namespace
}  // namespace longhaul
