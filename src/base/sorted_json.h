// JSON whose objects have tens of thousands of keys (vocabularies): sorted, found by binary search. Json keeps the order of
// its keys and searches them one by one.
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace longhaul {

using SortedJson = nlohmann::json;

// As parse_json; of equal keys the last one counts.
SortedJson parse_sorted_json(std::string_view text, const std::string& where);

}  // namespace longhaul
