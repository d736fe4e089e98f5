#include "bench/table.h"

#include <cstdio>

#include "base/error.h"
#include "base/strings.h"

namespace longhaul {

namespace {

// The shape, and what the row of a model says beside it.
std::string shape_text(const Json& row) {
  const Json& shape = row["shape"];
  if (shape.is_string()) {
    std::string pass = row.contains("pass") ? row["pass"].get<std::string>() + " " : "";
    return str(pass, shape.get<std::string>(), " ", row["pos"].get<std::string>(), " T=", row["length"],
               " B=", row["batch"]);
  }
  std::vector<std::string> parts;
  for (const auto& [key, value] : shape.items()) {
    parts.push_back(str(key, "=", value.is_string() ? value.get<std::string>() : value.dump()));
  }
  if (row.contains("parameters") && shape.contains("test")) {
    char text[32];
    std::snprintf(text, sizeof text, "(%.1fM)", 1e-6 * row["parameters"].get<double>());
    parts.push_back(text);
  }
  return join(parts, " ");
}

std::string number(const Json& row, const std::string& key, const char* format) {
  if (!row.contains(key)) return "";
  char text[32];
  std::snprintf(text, sizeof text, format, row[key].get<double>());
  return text;
}

std::string milliseconds(const Json& row) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", 1e3 * row["seconds_min"].get<double>());
  return text;
}

// GFLOP/s, or GB/s where no FLOPs are stated, or MB/s of text.
std::string rate(const Json& row) {
  if (row.contains("mb_per_s")) return number(row, "mb_per_s", "%.1f");
  return row.contains("gflop_per_s") ? number(row, "gflop_per_s", "%.1f") : number(row, "gbyte_per_s", "%.1f");
}

std::string ratio_text(const Json& row) {
  std::vector<std::string> parts;
  const Json ratios = row.value("ratio_to", Json::object());
  for (const auto& [name, value] : ratios.items()) {
    char text[64];
    std::snprintf(text, sizeof text, "%.2fx %s", value.get<double>(), name.c_str());
    parts.push_back(text);
  }
  return join(parts, ", ");
}

std::string columns(const std::vector<std::string>& cells) {
  char text[512];
  std::snprintf(text, sizeof text, "%-9s %-58s %3s %11s %10s %8s %7s %8s %8s  %s", cells[0].c_str(), cells[1].c_str(),
                cells[2].c_str(), cells[3].c_str(), cells[4].c_str(), cells[5].c_str(), cells[6].c_str(),
                cells[7].c_str(), cells[8].c_str(), cells[9].c_str());
  return std::string(trim(text));
}

}  // namespace

std::string BenchTable::line(const Json& row) {
  std::string bench = row["bench"].get<std::string>(), head;
  if (bench != bench_) {
    bool memory = row.contains("gbyte_per_s") && !row.contains("gflop_per_s");
    head = str(bench_.empty() ? "" : "\n", bench, "\n",
               columns({"peer", "shape", "thr", "ms", "tok/s",
                        row.contains("mb_per_s") ? "MB/s"
                        : memory                 ? "GB/s"
                                                 : "GFLOP/s",
                        "% bound", "peak MB", "extra MB", "speed against"}),
               "\n");
    bench_ = bench;
  }
  std::string peer = row["peer"].get<std::string>(), threads = row["threads"].dump();
  if (row.contains("error"))
    return str(head, peer, " ", shape_text(row), " ", threads, " threads: ", row["error"].get<std::string>());
  return head + columns({peer, shape_text(row), threads, milliseconds(row), number(row, "tok_per_s", "%.0f"), rate(row),
                         number(row, "percent_of_bound", "%.1f"), number(row, "peak_rss_mb", "%.0f"),
                         number(row, "extra_mb", "%.0f"), ratio_text(row)});
}

}  // namespace longhaul
