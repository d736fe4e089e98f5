// Bytes as a bare .npy and as a .bin shard: refused, or every id of the split can be read and its documents begin at 0.
#include "data/shards.h"

#include "fuzz/fuzz.h"

using namespace longhaul;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const FuzzFolder folder;
  for (const char* name : {"npy/x_train_000000.npy", "llm.c/x_val_000000.bin", "nanogpt/train.bin"}) {
    fuzz_text(data, size, [&](std::string_view text) {
      std::string place = path_join(folder.path(), name);
      std::string subfolder = place.substr(0, place.rfind('/'));
      std::filesystem::create_directories(subfolder);
      folder.put(name, text);
      Dataset dataset = Dataset::open(subfolder);
      for (const TokenSplit& split : dataset.splits()) {
        promise(split.tokens() * 2 <= static_cast<int64_t>(text.size()), "no id comes from nowhere");
        std::vector<int64_t> ids(static_cast<size_t>(split.tokens()));
        split.read(0, ids);
        promise(ids.empty() == (split.documents() == 0), "tokens are in documents");
        promise(ids.empty() || split.document_start(0) == 0, "the first document begins at 0");
        promise(split.document_starts(0, split.tokens()).size() == static_cast<size_t>(split.documents()),
                "all are found");
      }
      dataset.verify();
    });
  }
  return 0;
}
