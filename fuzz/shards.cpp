// Bytes as the manifest of a data set whose shards are fixed: it is refused, or every token of every split can be read.
#include "data/shards.h"

#include "fuzz/fuzz.h"

using namespace longhaul;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace std::string_view_literals;
  static const FuzzFolder folder(
      {{"train_000000.bin", "\x00\x01\x02\x00\x03\x00"sv},
       {"train_000001.bin", "\x07\x00\x00\x01"sv},
       {"train_documents.bin", "\x00\x00\x00\x00\x00\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00"sv}});
  return fuzz_text(data, size, [](std::string_view text) {
    folder.put("manifest.json", text);
    Dataset dataset = Dataset::open(folder.path());
    if (!dataset.has_split("train")) return;
    const TokenSplit& split = dataset.split("train");
    std::vector<int64_t> tokens(static_cast<size_t>(split.tokens()));
    split.read(0, tokens);
    for (int64_t id : tokens) promise(0 <= id && id < dataset.vocab_size(), "an id is inside the vocabulary");
    promise(split.documents() > 0 && split.document_start(0) == 0, "the first document begins at 0");
    dataset.verify();
  });
}
