#include "data/pack.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>

#include "base/rng.h"
#include "data/data_test.h"
#include "data/shards.h"
#include "gzip.h"
#include "text/tokenizer.h"

namespace longhaul {
namespace {

class PackTest : public DataTest {
 protected:
  PackOptions options(const std::vector<std::string>& inputs, const std::string& output = "out") {
    PackOptions options;
    for (const std::string& input : inputs) options.inputs.push_back(at(input));
    options.output = at(output);
    return options;
  }
  // Everything that must not depend on threads or on where the tree lies.
  std::map<std::string, std::string> contents(const std::string& folder) {
    std::map<std::string, std::string> all;
    for (const std::string& path : list_files(at(folder))) all[file_name(path)] = read_file(path);
    return all;
  }
  std::vector<std::string> names_in_root() {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(root_)) names.push_back(entry.path().filename());
    std::sort(names.begin(), names.end());
    return names;
  }
};

// The documents of a split as texts, each checked to begin with one end-of-text id.
std::vector<std::string> documents(const TokenSplit& split) {
  std::vector<std::string> texts;
  for (int64_t i = 0; i < split.documents(); ++i) {
    int64_t start = split.document_start(i),
            end = i + 1 < split.documents() ? split.document_start(i + 1) : split.tokens();
    std::vector<int64_t> ids(end - start);
    split.read(start, ids);
    EXPECT_EQ(ids[0], 256);
    EXPECT_EQ(std::count(ids.begin(), ids.end(), 256), 1);
    texts.push_back(make_tokenizer("bytes")->decode(ids));
  }
  return texts;
}

TEST_F(PackTest, WritesTheFormatByteForByte) {
  put(at("text/b.txt"), "\xff!");
  put(at("text/a.txt"), "ab");
  PackOptions packing = options({"text"});
  packing.val_every = 0;
  packing.shard_tokens = 4;
  pack(packing);
  // [256] a b [256] 0xff ! : little-endian, cut after four tokens; documents at 0 and 3.
  auto files = contents("out");
  EXPECT_EQ(files.at("train_000000.bin"), std::string("\x00\x01"
                                                      "a\0"
                                                      "b\0"
                                                      "\x00\x01",
                                                      8));
  EXPECT_EQ(files.at("train_000001.bin"), std::string("\xff\0"
                                                      "!\0",
                                                      4));
  EXPECT_EQ(files.at("train_documents.bin"), std::string("\0\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0", 16));
  EXPECT_EQ(files.at("val_documents.bin"), "");
  EXPECT_EQ(files.size(), 5u);
  Json manifest = read_json(at("out/manifest.json"));
  EXPECT_EQ(manifest["splits"]["train"], (Json{{"tokens", 6}, {"documents", 2}, {"bytes", 4}, {"shards", {4, 2}}}));
  EXPECT_EQ(manifest["sources"],
            Json::array({{{"input", at("text")}, {"files", 2}, {"documents", 2}, {"bytes", 4}, {"tokens", 6}}}));
  EXPECT_EQ(manifest["tokenizer_hash"], make_tokenizer("bytes")->hash());
  EXPECT_EQ(manifest["dtype"], "uint16");
  Dataset dataset = Dataset::open(at("out"));
  dataset.verify();
  EXPECT_EQ(documents(dataset.split("train")), (std::vector<std::string>{"ab", "\xff!"}));
}

// A tree of text files and JSONL with documents of many sizes; every text is different.
std::vector<std::string> write_corpus(const std::string& root) {
  std::vector<std::string> texts;
  Rng rng(5, stream_of("corpus"));
  for (int i = 0; i < 60; ++i) {
    texts.push_back(str("file ", i, " ") + std::string(rng.below(3000), static_cast<char>('a' + i % 26)));
    put(str(root, "/part", i % 7, "/", i, ".txt"), texts.back());
  }
  std::string lines;
  while (lines.size() < (5u << 20) / 2) {  // more than two jobs of lines
    texts.push_back(str("line ", texts.size(), "\n\"") + std::string(rng.below(20'000), 'z'));
    lines += Json{{"text", texts.back()}, {"id", 3}}.dump() + "\n";
  }
  put(root + "/web.jsonl", lines);
  return texts;
}

TEST_F(PackTest, IsTheSameOnAnyThreadCountAndKeepsEveryDocument) {
  std::vector<std::string> texts = write_corpus(at("corpus"));
  std::map<std::string, std::string> first;
  for (int threads : {1, 2, 7}) {
    PackOptions packing = options({"corpus"}, str("out", threads));
    packing.threads = threads;
    packing.shard_tokens = 400'000;
    pack(packing);
    auto files = contents(str("out", threads));
    if (first.empty()) first = files;
    EXPECT_EQ(files, first) << threads << " threads";
  }
  Dataset dataset = Dataset::open(at("out1"));
  dataset.verify();
  std::multiset<std::string> found;
  for (const char* split : {"train", "val"}) {
    for (const std::string& text : documents(dataset.split(split))) found.insert(text);
  }
  EXPECT_EQ(found, std::multiset<std::string>(texts.begin(), texts.end()));
}

TEST_F(PackTest, CompressedFilesGiveTheSameDataSet) {
  write_corpus(at("corpus"));
  for (const std::string& path : list_files(at("corpus"))) {
    std::string text = read_file(path), name = path.substr(at("corpus").size());
    size_t half = text.size() / 2;  // two members, cut in the middle of a line
    put(at("packed" + name + ".gz"), gzip(text.substr(0, half)) + gzip(text.substr(half)));
  }
  for (int threads : {1, 3}) {
    PackOptions packing = options({threads == 1 ? "corpus" : "packed"}, str("out", threads));
    packing.threads = threads;
    pack(packing);
  }
  EXPECT_EQ(Dataset::open(at("out1")).hash(), Dataset::open(at("out3")).hash());
}

TEST_F(PackTest, AnEndingIsWantedCompressedOrNot) {
  put(at("tree/a.txt.gz"), gzip("one"));
  put(at("tree/b.h"), "two");
  for (const char* ending : {".txt", ".gz", ".txt.gz"}) {
    PackOptions packing = options({"tree"});
    packing.extensions = {ending};
    const PackPlan plan = plan_pack(packing);
    ASSERT_EQ(plan.files.size(), 1u) << ending;
    EXPECT_EQ(plan.files[0].name, "a.txt") << ending;
  }
}

TEST_F(PackTest, AskedToStopItLeavesNothing) {
  for (int i = 0; i < 20; ++i) put(at(str("tree/", i, ".txt")), "text");
  const std::vector<std::string> before = names_in_root();
  for (int threads : {1, 3}) {
    PackOptions packing = options({"tree"});
    packing.threads = threads;
    int asked = 0;
    packing.before_each = [&] { check(++asked <= 5, "asked to stop"); };
    EXPECT_EQ(error_of([&] { pack(packing); }), "asked to stop");
    EXPECT_EQ(names_in_root(), before);
  }
}

TEST_F(PackTest, SplitsDoNotDependOnWhereTheTreeLies) {
  write_corpus(at("corpus"));
  write_corpus(at("elsewhere/deep/corpus"));
  pack(options({"corpus"}, "one"));
  PackOptions packing = options({"elsewhere/deep/corpus/"}, "two/");  // a trailing slash changes nothing
  pack(packing);
  Dataset one = Dataset::open(at("one")), two = Dataset::open(at("two"));
  EXPECT_EQ(one.hash(), two.hash());
  EXPECT_EQ(documents(one.split("val")), documents(two.split("val")));
}

TEST_F(PackTest, TheHashSeesTokensDocumentsAndTokenizerButNotShards) {
  put(at("a/1"), "one");
  put(at("b/1"), "onf");
  auto hash_of = [&](const std::string& input, int64_t shard_tokens, const std::string& out) {
    PackOptions packing = options({input}, out);
    packing.val_every = 0;
    packing.shard_tokens = shard_tokens;
    pack(packing);
    Dataset::open(at(out)).verify();
    return Dataset::open(at(out)).hash();
  };
  std::string hash = hash_of("a", 100, "1");
  EXPECT_EQ(hash_of("a", 2, "2"), hash);
  EXPECT_NE(hash_of("b", 100, "3"), hash);
}

TEST_F(PackTest, OneInSoManyDocumentsGoesToVal) {
  int64_t val = 0;
  for (int i = 0; i < 16'000; ++i) val += std::string(split_of(str("folder/", i), 16)) == "val";
  EXPECT_NEAR(val, 1000, 5 * 31);  // binomial: standard deviation 30.6
  EXPECT_STREQ(split_of("a", 1), "val");
  EXPECT_STREQ(split_of("a", 0), "train");
}

TEST_F(PackTest, FiltersAndCountsWhatItLeavesOut) {
  put(at("tree/keep.h"), "0123456789");
  put(at("tree/small.h"), "012345678");
  put(at("tree/empty.cpp"), "");
  put(at("tree/page.html"), "0123456789abc");
  put(at("tree/third_party/x.h"), "0123456789abc");
  put(at("tree/lines.jsonl"),
      "{\"body\":\"0123456789\"}\n\n{\"body\":\"short\"}\r\n  \n{\"body\":\"last without newline\"}");
  PackOptions packing = options({"tree"});
  packing.extensions = {".h", ".cpp", ".jsonl"};
  packing.exclude = {"third_party/"};
  packing.min_bytes = 10;
  packing.val_every = 0;
  packing.field = "body";
  PackPlan plan = plan_pack(packing);
  ASSERT_EQ(plan.files.size(), 2u);
  EXPECT_EQ(plan.files[0].name, "keep.h");
  EXPECT_EQ(plan.files[1].name, "lines.jsonl");
  pack(packing);
  Dataset dataset = Dataset::open(at("out"));
  EXPECT_EQ(
      dataset.manifest()["skipped"],
      (Json{{"excluded", 1}, {"other_extension", 1}, {"too_small", 3}, {"reached_twice", 0}, {"blank_lines", 2}}));
  EXPECT_EQ(documents(dataset.split("train")),
            (std::vector<std::string>{"0123456789", "0123456789", "last without newline"}));
}

TEST_F(PackTest, ExcludeLooksOnlyBelowTheInput) {
  put(at("build/tree/a.h"), "text");
  PackOptions packing = options({"build/tree"});
  packing.exclude = {"build"};
  EXPECT_EQ(plan_pack(packing).files.size(), 1u);
}

TEST_F(PackTest, AFileReachedTwiceIsReadOnce) {
  put(at("tree/sub/a.txt"), "text");
  put(at("tree/b.txt"), "more");
  std::filesystem::create_hard_link(at("tree/b.txt"), at("tree/c.txt"));
  PackPlan plan = plan_pack(options({"tree", "tree/sub", "tree/b.txt"}));
  ASSERT_EQ(plan.files.size(), 2u);
  EXPECT_EQ(plan.files[0].name, "b.txt");
  EXPECT_EQ(plan.files[1].name, "sub/a.txt");
  EXPECT_EQ(plan.reached_twice, 3);
}

TEST_F(PackTest, MistakesAreOneClearLineAndLeaveNothingBehind) {
  put(at("good.txt"), "good");
  put(at("bad.jsonl"), "{\"text\":\"a\"}\n{\"text\":\n");
  put(at("field.jsonl"), "{\"text\":\"a\"}\n{\"content\":\"b\"}\n");
  put(at("type.jsonl"), "{\"text\":7}\n");
  put(at("blank.jsonl"), "\n\n");
  std::string whole = gzip("{\"text\":\"a line that is long enough to be cut\"}\n");
  put(at("cut.jsonl.gz"), whole.substr(0, 30));
  put(at("cut.txt.gz"), whole.substr(0, 30));
  put(at("tree/sub/a.txt"), "text");
  put(at("taken/file"), "mine");
  std::vector<std::string> before = names_in_root();
  auto message = [&](const PackOptions& packing) { return error_of([&] { pack(packing); }); };
  EXPECT_EQ(message(options({"bad.jsonl"})).find(at("bad.jsonl") + ":2: not JSON"), 0u)
      << message(options({"bad.jsonl"}));
  EXPECT_EQ(message(options({"good.txt", "field.jsonl"})),
            at("field.jsonl") +
                ":2: wanted an object with a string \"text\" (--field names another), found one with content");
  EXPECT_EQ(message(options({"type.jsonl"})),
            at("type.jsonl") +
                ":1: wanted an object with a string \"text\" (--field names another), found \"text\" with number");
  for (const char* cut : {"cut.jsonl.gz", "cut.txt.gz"}) {
    EXPECT_EQ(message(options({cut})), at(cut) + ": byte 30: the gzip data ends in the middle; the file was cut short");
  }
  EXPECT_EQ(message(options({"blank.jsonl"})), "data pack: no document left: 0 too small, 2 blank lines");
  EXPECT_EQ(message(options({"absent"})), "data pack: " + at("absent") + ": no such file or folder");
  EXPECT_EQ(message(options({})), "data pack: give at least one file or folder to read");
  EXPECT_EQ(message(options({"good.txt"}, "taken")),
            "data pack: " + at("taken") + " exists already; remove it or name another --out");
  PackOptions packing = options({"good.txt"});
  packing.tokenizer = "words";
  EXPECT_TRUE(contains(message(packing), "unknown tokenizer 'words'"));
  packing = options({"good.txt"});
  packing.shard_tokens = 0;
  EXPECT_EQ(message(packing), "data pack: --shard-tokens must be > 0, got 0");
  packing = options({"good.txt"});
  packing.exclude = {"\xff"};
  EXPECT_TRUE(contains(message(packing), "data pack: inputs and settings: cannot be written as JSON"));
  packing = options({"good.txt"});
  packing.min_bytes = 100;
  EXPECT_TRUE(contains(message(packing), "no file left to read"));
  EXPECT_EQ(names_in_root(), before);
}

// Errors come in reading order, whichever thread meets one first.
TEST_F(PackTest, TheFirstBrokenFileIsReportedOnAnyThreadCount) {
  for (int i = 10; i < 40; ++i) put(at(str("lines/", i, ".jsonl")), i < 20 ? "{\"text\":\"fine\"}\n" : "broken\n");
  for (int threads : {1, 4, 8}) {
    PackOptions packing = options({"lines"});
    packing.threads = threads;
    EXPECT_EQ(error_of([&] { pack(packing); }).find(at("lines/20.jsonl") + ":1: not JSON"), 0u);
  }
}

TEST_F(PackTest, AFullDiskIsAClearErrorAndLeavesNothing) {
  put(at("text/a.txt"), std::string(100'000, 'a'));
  pid_t child = fork();
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    rlimit limit{50'000, 50'000};
    setrlimit(RLIMIT_FSIZE, &limit);
    std::string message = error_of([&] { pack(options({"text"})); });
    bool clear = message.find("cannot write: File too large") != std::string::npos;
    if (!clear) std::fprintf(stderr, "child: %s\n", message.c_str());
    _exit(clear ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(names_in_root(), std::vector<std::string>{"text"});
}

}  // namespace
}  // namespace longhaul
