#include "data/token_files.h"

#include <filesystem>

#include "data/data_test.h"
#include "data/pack.h"
#include "data/shards.h"

namespace longhaul {
namespace {

using Ids = std::vector<int64_t>;

// An npy file as NumPy 1.x writes it, by the format's description.
std::string npy(const Ids& ids, const std::string& type = "<u2") {
  std::string header = str("{'descr': '", type, "', 'fortran_order': False, 'shape': (", ids.size(), ",), }");
  header.append(118 - 1 - header.size(), ' ');
  return std::string("\x93NUMPY\x01\x00\x76\x00", 10) + header + "\n" + packed<uint16_t>(ids);
}

std::string llm_c(const Ids& ids, int32_t magic = 20240520, int32_t version = 1) {
  Ids header(256, 0);
  header[0] = magic;
  header[1] = version;
  header[2] = static_cast<int64_t>(ids.size());
  return packed<int32_t>(header) + (version == 1 ? packed<uint16_t>(ids) : packed<uint32_t>(ids));
}

Ids all_of(const TokenSplit& split) {
  Ids ids(split.tokens());
  split.read(0, ids);
  return ids;
}

class TokenFilesTest : public DataTest {
 protected:
  std::string refused(const std::string& name, const std::string& bytes) {
    std::string folder = at(str("wrong", ++wrong_));
    put(folder + "/" + name, bytes);
    std::string message = error_of([&] { Dataset::open(folder); });
    return message.starts_with(folder + "/" + name + ": ") ? message.substr(folder.size() + name.size() + 3) : message;
  }
  int wrong_ = 0;
};

TEST_F(TokenFilesTest, TheCableRepositorysShardsAreReadAsTheyAre) {
  put(at("set/wiki_val_000000.npy"), npy({50256, 1, 2}));
  put(at("set/wiki_train_000002.npy"), npy({50256, 7, 50256}));
  put(at("set/wiki_train_000001.npy"), npy({3, 4, 50256, 5, 6}));
  put(at("set/notes.txt"), "of no interest");
  Dataset data = Dataset::open(at("set"));
  EXPECT_EQ(all_of(data.split("train")), (Ids{3, 4, 50256, 5, 6, 50256, 7, 50256}));
  EXPECT_EQ(all_of(data.split("val")), (Ids{50256, 1, 2}));
  EXPECT_EQ(data.split("train").shard_starts(), (Ids{0, 5, 8}));
  EXPECT_EQ(data.vocab_size(), 50257);
  EXPECT_EQ(data.end_of_text(), 50256);
  EXPECT_EQ(data.tokenizer(), "");
  data.verify();
  // A document that began in another shard, and three that begin here.
  const TokenSplit& train = data.split("train");
  EXPECT_EQ(train.documents(), 4);
  EXPECT_EQ(train.document_start(3), 7);
  EXPECT_EQ(train.document_starts(0, 8), (Ids{0, 2, 5, 7}));
  EXPECT_EQ(train.document_starts(1, 5), (Ids{2, 5}));
  EXPECT_EQ(train.document_starts(3, 2), Ids{});
  EXPECT_EQ(train.bytes(), -1);
}

TEST_F(TokenFilesTest, LlmCShardsOfBothWidths) {
  put(at("gpt2/fineweb_train_000001.bin"), llm_c({50256, 9, 50256}));
  EXPECT_EQ(all_of(Dataset::open(at("gpt2")).split("train")), (Ids{50256, 9, 50256}));
  put(at("llama/fineweb_val_000000.bin"), llm_c({128000, 70'000, 9}, 20240801, 7));
  Dataset llama = Dataset::open(at("llama"));
  EXPECT_EQ(all_of(llama.split("val")), (Ids{128000, 70'000, 9}));
  EXPECT_EQ(llama.vocab_size(), 128'256);
  EXPECT_EQ(llama.end_of_text(), 128'000);
}

TEST_F(TokenFilesTest, NanoGptFilesAndANamedTokenizer) {
  put(at("set/train.bin"), packed<uint16_t>({256, 'a', 'b', 256, 'c'}));
  put(at("set/val.bin"), packed<uint16_t>({256, 'd'}));
  EXPECT_EQ(Dataset::open(at("set")).split("train").documents(), 1);  // GPT-2's end of text is not there
  Dataset data = Dataset::open(at("set"), "bytes");
  EXPECT_EQ(data.vocab_size(), 257);
  EXPECT_EQ(data.split("train").document_starts(0, 5), (Ids{0, 3}));
  EXPECT_NE(data.hash(), Dataset::open(at("set")).hash());
  EXPECT_EQ(data.hash(), Dataset::open(at("set"), "bytes").hash());
  put(at("set/train.bin"), packed<uint16_t>({256, 'a', 'b', 256, 'x'}));
  EXPECT_NE(data.hash(), Dataset::open(at("set"), "bytes").hash());
  put(at("set/val.bin"), packed<uint16_t>({999}));
  EXPECT_EQ(error_of([&] { Dataset::open(at("set"), "bytes").verify(); }),
            at("set/val.bin") + ": id 999 at token 0 is outside the vocabulary of 257");
}

TEST_F(TokenFilesTest, BrokenFilesAreOneLine) {
  std::string good = npy({1, 2, 3});
  EXPECT_EQ(refused("train.npy", "text"), "wanted an npy file, found other bytes");
  EXPECT_EQ(refused("train.npy", good.substr(0, 40)), "npy: wanted a header of 118 bytes, found 30");
  EXPECT_EQ(refused("train.npy", good.substr(0, good.size() - 1)),
            "npy: the header promises 3 ids of 2 bytes, found 5 bytes");
  EXPECT_EQ(refused("train.npy", npy({1, 2, 3}, "<f4")), "npy header: descr: wanted '<u2' (uint16), found '<f4'");
  std::string wrong = good;
  wrong[6] = 2;
  EXPECT_EQ(refused("train.npy", wrong), "npy: wanted format 1.0, found 2.0");
  wrong = good;
  wrong.replace(wrong.find("(3,)"), 4, "(-3,");
  EXPECT_TRUE(contains(refused("train.npy", wrong), "npy header: shape: wanted one dimension, found '(-3,"));
  EXPECT_EQ(refused("x_train.bin", llm_c({1, 2}) + "ab"), "llm.c: the header promises 2 ids of 2 bytes, found 6 bytes");
  EXPECT_EQ(refused("x_train.bin", llm_c({1, 2}, 20240520, 2)),
            "llm.c: wanted version 1 behind the magic 20240520, found 2");
  EXPECT_EQ(refused("x_train.bin", "short"), "wanted a shard of llm.c or nanogpt, found other bytes");
  EXPECT_EQ(refused("train.bin", "odd"), "nanogpt: wanted ids of 2 bytes, found 3 bytes");
  EXPECT_EQ(refused("train_val.npy", good), "wanted a name that says one split, found 'train' and 'val'");
}

TEST_F(TokenFilesTest, FoldersThatAreNoDataSet) {
  put(at("mixed/train.bin"), packed<uint16_t>({1}));
  put(at("mixed/val.npy"), npy({1}));
  EXPECT_EQ(error_of([&] { Dataset::open(at("mixed")); }),
            at("mixed/val.npy") + ": wanted nanogpt like the files before it, found npy");
  put(at("other/words.npy"), npy({1}));
  EXPECT_EQ(error_of([&] { Dataset::open(at("other")); }),
            at("other") +
                ": not a data set (no manifest.json, no .npy or .bin named train or val); make one with `longhaul data "
                "pack`");
  EXPECT_EQ(error_of([&] { Dataset::open(at("absent")); }),
            at("absent") + ": wanted a folder of tokens, found nothing");
  // A packed data set that lost its manifest is not taken for bare shards.
  put(at("lost/train_000000.bin"), packed<uint16_t>({1}));
  put(at("lost/train_documents.bin"), packed<uint64_t>({0}));
  EXPECT_EQ(error_of([&] { Dataset::open(at("lost")); }),
            at("lost/train_000000.bin") + ": wanted a shard of llm.c or nanogpt, found other bytes");
}

TEST_F(TokenFilesTest, ExportsAreReadBackAndHaveTheFormatsBytes) {
  for (int i = 0; i < 40; ++i) put(at(str("text/", i)), std::string(10 + i, static_cast<char>('a' + i % 26)));
  PackOptions packing;
  packing.inputs = {at("text")};
  packing.output = at("set");
  packing.val_every = 8;
  pack(packing);
  Dataset packed_data = Dataset::open(at("set"));
  Ids train = all_of(packed_data.split("train")), val = all_of(packed_data.split("val"));
  for (const char* format : {"npy", "llm.c", "nanogpt"}) {
    ExportOptions options{at("set"), at(str("out-", format)), format, "", 500};
    std::vector<std::string> files = export_tokens(options);
    bool shards = std::string(format) != "nanogpt";
    EXPECT_EQ(files.front(), std::string(format) == "npy" ? "set_val_000000.npy"
                             : shards                     ? "set_val_000000.bin"
                                                          : "val.bin");
    EXPECT_EQ(files.size() > 2, shards);
    Dataset data = Dataset::open(options.output, "bytes");
    data.verify();
    EXPECT_EQ(all_of(data.split("train")), train) << format;
    EXPECT_EQ(all_of(data.split("val")), val) << format;
    EXPECT_EQ(data.split("train").documents(), packed_data.split("train").documents());
    EXPECT_TRUE(contains(error_of([&] { export_tokens(options); }), "exists already"));
  }
  Ids first(train.begin(), train.begin() + 500);
  EXPECT_EQ(read_file(at("out-npy/set_train_000001.npy")), npy(first));
  EXPECT_EQ(read_file(at("out-llm.c/set_train_000001.bin")), llm_c(first));
  EXPECT_EQ(read_file(at("out-nanogpt/val.bin")), packed<uint16_t>(val));
  EXPECT_TRUE(contains(error_of([&] { export_tokens({at("set"), at("x"), "numpy", ""}); }), "unknown token format"));
  ExportOptions stopped{at("set"), at("stopped"), "npy", "", 500};
  int blocks = 0;
  stopped.before_each = [&] { check(++blocks < 3, "asked to stop"); };
  EXPECT_EQ(error_of([&] { export_tokens(stopped); }), "asked to stop");
  for (const auto& entry : std::filesystem::directory_iterator(at("")))
    EXPECT_FALSE(contains(entry.path().string(), "stopped")) << entry.path();
}

}  // namespace
}  // namespace longhaul
