// Bytes as a journal segment beside a whole one: records that were stored are all there, whatever lies in the other file.
#include "journal/journal.h"

#include "fuzz/fuzz.h"

using namespace longhaul;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const FuzzFolder folder({{"segment-a.jsonl", "{\"key\": \"stored\", \"x\": 1}\n"}});
  return fuzz_text(data, size, [](std::string_view text) {
    folder.put("segment-b.jsonl", text);
    std::vector<Json> records = Journal::read(folder.path());
    promise(!records.empty() && records[0].at("key") == "stored", "a stored record is read");
    Journal journal = Journal::open(folder.path());
    std::set<std::string> keys;
    for (const Json& record : records) {
      promise(journal.has(record.at("key")), "what is read is known when the journal is opened");
      promise(keys.insert(record.at("key")).second, "no key twice");
    }
  });
}
