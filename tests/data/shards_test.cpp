#include "data/shards.h"

#include <numeric>

#include "data/data_test.h"

namespace longhaul {
namespace {

using Ids = std::vector<int64_t>;

class ShardsTest : public DataTest {
 protected:
  // A sound data set of two splits. train: ids 0..9 in shards of 4, 4, 2 and documents at 0, 3, 7; val: 3 ids, one document.
  std::string sound() {
    std::string folder = at("set");
    put(folder + "/train_000000.bin", packed<uint16_t>({0, 1, 2, 3}));
    put(folder + "/train_000001.bin", packed<uint16_t>({4, 5, 6, 7}));
    put(folder + "/train_000002.bin", packed<uint16_t>({8, 9}));
    put(folder + "/train_documents.bin", packed<uint64_t>({0, 3, 7}));
    put(folder + "/val_000000.bin", packed<uint16_t>({7, 8, 9}));
    put(folder + "/val_documents.bin", packed<uint64_t>({0}));
    manifest_ = {{"format", "longhaul tokens 1"},
                 {"tokenizer", "bytes"},
                 {"tokenizer_hash", "t"},
                 {"vocab_size", 10},
                 {"end_of_text", 9},
                 {"dtype", "uint16"},
                 {"hash", "h"}};
    manifest_["splits"]["train"] = {{"tokens", 10}, {"documents", 3}, {"bytes", 7}, {"shards", {4, 4, 2}}};
    manifest_["splits"]["val"] = {{"tokens", 3}, {"documents", 1}, {"bytes", 3}, {"shards", {3}}};
    save_manifest();
    return folder;
  }
  void save_manifest() { put(at("set") + "/manifest.json", manifest_.dump()); }

  Json manifest_;
};

Ids read(const TokenSplit& split, int64_t start, int64_t count) {
  Ids ids(count, -7);
  split.read(start, ids);
  return ids;
}

TEST_F(ShardsTest, ReadsAcrossShards) {
  Dataset dataset = Dataset::open(sound());
  const TokenSplit& train = dataset.split("train");
  EXPECT_EQ(train.tokens(), 10);
  EXPECT_EQ(train.documents(), 3);
  EXPECT_EQ(train.bytes(), 7);
  EXPECT_EQ(train.shard_starts(), (Ids{0, 4, 8, 10}));
  for (int64_t start = 0; start <= 10; ++start) {
    for (int64_t count = 0; start + count <= 10; ++count) {
      Ids wanted(count);
      std::iota(wanted.begin(), wanted.end(), start);
      EXPECT_EQ(read(train, start, count), wanted);
    }
  }
  EXPECT_EQ(train.document_start(2), 7);
  EXPECT_EQ(read(dataset.split("val"), 0, 3), (Ids{7, 8, 9}));
  EXPECT_EQ(dataset.vocab_size(), 10);
  EXPECT_EQ(dataset.end_of_text(), 9);
  EXPECT_EQ(dataset.tokenizer(), "bytes");
  EXPECT_EQ(dataset.hash(), "h");
}

TEST_F(ShardsTest, ASplitOutlivesItsDataset) {
  TokenSplit split = Dataset::open(sound()).split("train");
  EXPECT_EQ(read(split, 3, 2), (Ids{3, 4}));
}

TEST_F(ShardsTest, LargeVocabulariesTakeFourBytes) {
  sound();
  put(at("set") + "/train_000000.bin", packed<uint32_t>({0, 65'535, 65'536, 69'999}));
  put(at("set") + "/train_documents.bin", packed<uint64_t>({0}));
  manifest_["vocab_size"] = 70'000;
  manifest_["dtype"] = "uint32";
  manifest_["splits"] = Json::object();
  manifest_["splits"]["train"] = {{"tokens", 4}, {"documents", 1}, {"bytes", 4}, {"shards", {4}}};
  save_manifest();
  EXPECT_EQ(read(Dataset::open(at("set")).split("train"), 0, 4), (Ids{0, 65'535, 65'536, 69'999}));
}

TEST_F(ShardsTest, ReadsOutsideTheSplitAreErrors) {
  Dataset dataset = Dataset::open(sound());
  const TokenSplit& train = dataset.split("train");
  EXPECT_EQ(error_of([&] { read(train, 8, 3); }), "train: 3 tokens from 8 on were wanted, the split has 10");
  EXPECT_EQ(error_of([&] { read(train, -1, 1); }), "train: 1 tokens from -1 on were wanted, the split has 10");
  EXPECT_EQ(error_of([&] { read(train, 11, 0); }), "train: 0 tokens from 11 on were wanted, the split has 10");
  EXPECT_NE(error_of([&] { read(train, INT64_MAX, 1); }), "no error");
  EXPECT_EQ(error_of([&] { train.document_start(3); }), "train: document must be in [0, 3), got 3");
  EXPECT_EQ(error_of([&] { dataset.split("test"); }),
            at("set") + ": no tokens in split 'test' (splits with tokens: train, val)");
}

TEST_F(ShardsTest, AnEmptySplitIsAbsent) {
  sound();
  put(at("set") + "/val_documents.bin", "");
  manifest_["splits"]["val"] = {{"tokens", 0}, {"documents", 0}, {"bytes", 0}, {"shards", Json::array()}};
  save_manifest();
  Dataset dataset = Dataset::open(at("set"));
  EXPECT_TRUE(dataset.has_split("train"));
  EXPECT_FALSE(dataset.has_split("val"));
  EXPECT_EQ(error_of([&] { dataset.split("val"); }),
            at("set") + ": no tokens in split 'val' (splits with tokens: train)");
}

TEST_F(ShardsTest, AFolderWithoutManifestSaysWhatToDo) {
  EXPECT_EQ(error_of([&] { Dataset::open(root_); }), root_ +
                                                         ": not a data set (no manifest.json, no .npy or .bin named "
                                                         "train or val); make one with `longhaul data pack`");
}

struct Hostile {
  const char* name;
  std::function<void(const std::string& folder, Json& manifest)> spoil;
  const char* message;  // part of the one line
};

void PrintTo(const Hostile& hostile, std::ostream* out) { *out << hostile.name; }

class HostileTest : public ShardsTest, public testing::WithParamInterface<Hostile> {};

TEST_P(HostileTest, IsOneClearLine) {
  std::string folder = sound();
  GetParam().spoil(folder, manifest_);
  save_manifest();
  std::string message = error_of([&] { Dataset::open(folder).verify(); });
  EXPECT_NE(message.find(GetParam().message), std::string::npos) << message;
  EXPECT_EQ(message.find('\n'), std::string::npos);
  EXPECT_EQ(message.find(folder), 0u) << "the message must begin with the file or folder: " << message;
}

const Hostile kHostile[] = {
    {"format", [](auto&, Json& m) { m["format"] = "other"; }, "format: wanted 'longhaul tokens 1', found 'other'"},
    {"no_format", [](auto&, Json& m) { m.erase("format"); }, "format"},
    {"list_manifest", [](auto&, Json& m) { m = Json::array({1}); }, "manifest.json"},
    {"unknown_key", [](auto&, Json& m) { m["colour"] = 1; }, "colour"},
    {"vocab_zero", [](auto&, Json& m) { m["vocab_size"] = 0; }, "vocab_size"},
    {"vocab_text", [](auto&, Json& m) { m["vocab_size"] = "10"; }, "vocab_size"},
    {"vocab_huge", [](auto&, Json& m) { m["vocab_size"] = 1e30; }, "vocab_size"},
    {"end_of_text_outside", [](auto&, Json& m) { m["end_of_text"] = 10; }, "end_of_text"},
    {"dtype", [](auto&, Json& m) { m["dtype"] = "uint32"; }, "dtype: a vocabulary of 10 needs uint16, found 'uint32'"},
    {"dtype_for_vocab", [](auto&, Json& m) { m["vocab_size"] = 65'537; }, "needs uint32"},
    {"splits_list", [](auto&, Json& m) { m["splits"] = Json::array(); }, "splits: wanted an object"},
    {"split_number", [](auto&, Json& m) { m["splits"]["train"] = 3; }, "train"},
    {"split_name", [](auto&, Json& m) { m["splits"]["../train"] = m["splits"]["train"]; }, "a split's name"},
    {"split_key", [](auto&, Json& m) { m["splits"]["train"]["width"] = 2; }, "width"},
    {"tokens_lie", [](auto&, Json& m) { m["splits"]["train"]["tokens"] = 11; },
     "split train: the manifest promises 11 tokens, its shards have 10"},
    {"tokens_negative", [](auto&, Json& m) { m["splits"]["train"]["tokens"] = -1; }, "tokens"},
    {"shard_zero",
     [](auto&, Json& m) {
       m["splits"]["train"]["shards"] = {4, 0, 6};
     },
     "shards"},
    {"shard_overflow",
     [](auto&, Json& m) {
       m["splits"]["train"]["shards"] = {INT64_MAX, 4, 2};
     },
     "larger than any can be"},
    {"shard_text", [](auto&, Json& m) { m["splits"]["train"]["shards"] = {"4"}; }, "shards"},
    {"shard_missing",
     [](auto&, Json& m) {
       m["splits"]["train"]["shards"] = {4, 4, 1, 1};
     },
     "train_000002.bin"},
    {"shard_absent", [](auto& f, Json&) { std::filesystem::remove(f + "/train_000001.bin"); }, "train_000001.bin"},
    {"shard_shorter", [](auto& f, Json&) { put(f + "/train_000001.bin", std::string(6, 0)); },
     "train_000001.bin: the manifest promises 4 tokens = 8 bytes, the file has 6"},
    {"shard_longer", [](auto& f, Json&) { put(f + "/train_000001.bin", std::string(10, 0)); }, "the file has 10"},
    {"shard_odd", [](auto& f, Json&) { put(f + "/train_000001.bin", std::string(7, 0)); }, "the file has 7"},
    {"shard_empty", [](auto& f, Json&) { put(f + "/train_000001.bin", ""); }, "the file has 0"},
    {"id_outside",
     [](auto& f, Json&) {
       put(f + "/train_000001.bin", packed<uint16_t>({4, 5, 10, 7}));
     },
     "train_000001.bin: id 10 at token 2 is outside the vocabulary of 10"},
    {"documents_lie", [](auto&, Json& m) { m["splits"]["train"]["documents"] = 2; },
     "train_documents.bin: the manifest promises 2 documents = 16 bytes, the file has 24"},
    {"documents_negative", [](auto&, Json& m) { m["splits"]["train"]["documents"] = -3; }, "documents"},
    {"documents_odd", [](auto& f, Json&) { put(f + "/train_documents.bin", std::string(23, 0)); }, "the file has 23"},
    {"documents_late",
     [](auto& f, Json&) {
       put(f + "/train_documents.bin", packed<uint64_t>({1, 3, 7}));
     },
     "the first document must begin at token 0, got 1"},
    {"documents_unordered",
     [](auto& f, Json&) {
       put(f + "/train_documents.bin", packed<uint64_t>({0, 7, 3}));
     },
     "document 2 begins at token 3, not behind the one before at 7"},
    {"documents_twice",
     [](auto& f, Json&) {
       put(f + "/train_documents.bin", packed<uint64_t>({0, 3, 3}));
     },
     "not behind the one before at 3"},
    {"documents_outside",
     [](auto& f, Json&) {
       put(f + "/train_documents.bin", packed<uint64_t>({0, 3, 10}));
     },
     "document 2 begins at token 10, the split has 10"},
    {"documents_huge",
     [](auto& f, Json&) {
       put(f + "/train_documents.bin", packed<uint64_t>({0, 3, -1}));
     },
     "document 2"},
    {"documents_none",
     [](auto& f, Json& m) {
       put(f + "/train_documents.bin", "");
       m["splits"]["train"]["documents"] = 0;
     },
     "0 documents cannot hold 10 tokens"},
    {"hash", [](auto&, Json&) {}, "the manifest says 'h'"},
};
INSTANTIATE_TEST_SUITE_P(, HostileTest, testing::ValuesIn(kHostile),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_F(ShardsTest, AManifestCutAtAnyByteIsAnError) {
  std::string folder = sound(), text = manifest_.dump();
  for (size_t cut = 0; cut < text.size(); ++cut) {
    put(folder + "/manifest.json", text.substr(0, cut));
    EXPECT_NE(error_of([&] { Dataset::open(folder); }), "no error") << "cut at byte " << cut;
  }
}

}  // namespace
}  // namespace longhaul
