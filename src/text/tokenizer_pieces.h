// What the readers of a tokenizer.json's pieces share: normalizer, pre_tokenizer, post_processor, decoder.
#pragma once
#include <string>

#include "base/error.h"
#include "base/json.h"

namespace longhaul {

// Every piece is an object with a type.
inline std::string type_of_piece(const Json& piece, const std::string& where) {
  return JsonReader(piece, where).string("type");
}

[[noreturn]] inline void unsupported_piece(const std::string& type, const std::string& where, const char* wanted) {
  fail(where, ": type ", Json(type).dump(), " is not supported (wanted ", wanted, ")");
}

// Calls visit(piece, where) for the piece, or for the pieces of a Sequence (listed under `key`), nested ones too.
template <class Visit>
void for_each_piece(const Json& piece, const std::string& where, const char* key, const Visit& visit) {
  if (type_of_piece(piece, where) != "Sequence") return visit(piece, where);
  JsonReader reader(piece, where);
  reader.ignore("type");
  const Json& list = reader.value(key);
  check(list.is_array(), where, ": ", key, ": wanted a list, found ", list.type_name());
  reader.finish();
  for (size_t i = 0; i < list.size(); ++i) for_each_piece(list[i], str(where, ": ", key, "[", i, "]"), key, visit);
}

}  // namespace longhaul
