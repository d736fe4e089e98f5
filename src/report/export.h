// Results for other programs.
#pragma once
#include <string>

#include "report/page.h"
#include "report/results.h"

namespace longhaul {

// One line a cell: model, position, method, seed, task, length, trained_length, windows, wanted, tokens, loss, loss_se,
// perplexity,
// perplexity_se, bits_per_byte, bits_per_byte_se, tok_per_s, peak_rss_bytes, skip_rate, reason. RFC 4180; figures as
// JSON writes them.
std::string results_csv(const Results& results);

// {boards: [{task, data, settings, models: [...], paired_differences: [...]}], training, runs}. Each model holds the
// evaluation
// harness's keys: results {"<task>_<length>": {"perplexity,none", "perplexity_stderr,none", ...}}, configs, n-samples,
// config.
// What is not finite is null.
Json results_json(const ReportContent& content);

// All tables, with the findings in words.
std::string results_markdown(const ReportContent& content);

}  // namespace longhaul
