// Lexical overlap: a second opinion on texts by the query's terms that they hold. Pure; safe from any thread.
#pragma once

#include <string>
#include <vector>

namespace ragtime::engine {

// Of each text, 0..1: the share of the query's distinct terms that it has, and the share of the query's neighbouring
// terms that it has close together, each weighted by how rare it is among the texts, idf = ln(1 + (N − n + .5)/(n +
// .5)). Terms count .85 and neighbours .15, the weights of the sequential dependence model (Metzler and Croft, "A
// Markov Random Field Model for Term Dependencies", 2005). All terms are as text::analyze() gives them.
std::vector<float> lexical_overlap(const std::vector<std::string>& query,
                                   const std::vector<std::vector<std::string>>& texts);

}  // namespace ragtime::engine
