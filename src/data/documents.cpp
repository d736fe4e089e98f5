#include "data/documents.h"

#include "io/byte_source.h"

namespace longhaul {

Registry<DocumentFormat>& DocumentFormats() {
  static Registry<DocumentFormat> registry("document format");
  return registry;
}

const DocumentFormat& document_format(const std::string& path) {
  std::string_view name = path;
  if (is_gzip_name(name)) name.remove_suffix(3);
  const DocumentFormat* otherwise = nullptr;
  for (const auto& [key, entry] : DocumentFormats().entries()) {
    for (const std::string& ending : entry.make.endings) {
      if (name.ends_with(ending)) return entry.make;
    }
    if (entry.make.endings.empty()) otherwise = &entry.make;
  }
  return *otherwise;
}

}  // namespace longhaul
