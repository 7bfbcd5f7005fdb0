// Lucene behind the protocol of lexical_bench (src/index/lexical_bench.cpp), for bench/lexical_search.py.
//
// usage: java -cp lucene-core.jar bench/LexicalLucene.java --documents FILE --queries NAME=FILE...
//
// One segment in memory, k1 = 1.2 and b = 0.75; top ten with totalHits that may stop counting, so that block maxima work.

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.apache.lucene.analysis.Analyzer;
import org.apache.lucene.analysis.Tokenizer;
import org.apache.lucene.analysis.util.CharTokenizer;
import org.apache.lucene.document.Document;
import org.apache.lucene.document.Field;
import org.apache.lucene.document.FieldType;
import org.apache.lucene.index.DirectoryReader;
import org.apache.lucene.index.IndexOptions;
import org.apache.lucene.index.IndexWriter;
import org.apache.lucene.index.IndexWriterConfig;
import org.apache.lucene.index.Term;
import org.apache.lucene.search.BooleanClause;
import org.apache.lucene.search.BooleanQuery;
import org.apache.lucene.search.BoostQuery;
import org.apache.lucene.search.IndexSearcher;
import org.apache.lucene.search.Query;
import org.apache.lucene.search.ScoreDoc;
import org.apache.lucene.search.TermQuery;
import org.apache.lucene.search.TopScoreDocCollector;
import org.apache.lucene.search.similarities.BM25Similarity;
import org.apache.lucene.store.ByteBuffersDirectory;

public class LexicalLucene {
  static final int K = 10;

  static class SpaceAnalyzer extends Analyzer {
    @Override
    protected TokenStreamComponents createComponents(String field) {
      Tokenizer tokenizer = CharTokenizer.fromTokenCharPredicate(character -> character != ' ');
      return new TokenStreamComponents(tokenizer);
    }
  }

  static IndexSearcher build(List<String> lines) throws IOException {
    ByteBuffersDirectory directory = new ByteBuffersDirectory();
    IndexWriterConfig config = new IndexWriterConfig(new SpaceAnalyzer()).setRAMBufferSizeMB(1000);
    config.setSimilarity(new BM25Similarity(1.2f, 0.75f));
    FieldType type = new FieldType();
    type.setIndexOptions(IndexOptions.DOCS_AND_FREQS);
    type.setTokenized(true);
    type.freeze();
    try (IndexWriter writer = new IndexWriter(directory, config)) {
      for (String line : lines) {
        Document document = new Document();
        document.add(new Field("body", line, type));
        writer.addDocument(document);
      }
      writer.forceMerge(1);
    }
    IndexSearcher searcher = new IndexSearcher(DirectoryReader.open(directory));
    searcher.setSimilarity(new BM25Similarity(1.2f, 0.75f));
    searcher.setQueryCache(null);
    return searcher;
  }

  static Query queryOf(String line) {
    Map<String, Integer> counts = new HashMap<>();
    for (String term : line.split(" ")) counts.merge(term, 1, Integer::sum);
    BooleanQuery.Builder builder = new BooleanQuery.Builder();
    for (Map.Entry<String, Integer> entry : counts.entrySet()) {
      Query term = new TermQuery(new Term("body", entry.getKey()));
      builder.add(entry.getValue() == 1 ? term : new BoostQuery(term, entry.getValue()), BooleanClause.Occur.SHOULD);
    }
    return builder.build();
  }

  static ScoreDoc[] search(IndexSearcher searcher, Query query) throws IOException {
    return searcher.search(query, TopScoreDocCollector.createSharedManager(K, null, K)).scoreDocs;
  }

  static String measure(IndexSearcher searcher, List<Query> queries) throws IOException {
    double[] microseconds = new double[queries.size()];
    long begin = System.nanoTime();
    for (int i = 0; i < microseconds.length; ++i) {
      long start = System.nanoTime();
      search(searcher, queries.get(i));
      microseconds[i] = (System.nanoTime() - start) / 1e3;
    }
    double seconds = (System.nanoTime() - begin) / 1e9;
    Arrays.sort(microseconds);
    int last = microseconds.length - 1;
    return String.format(Locale.ROOT, "{\"seconds\":%.6f,\"p50_us\":%.2f,\"p99_us\":%.2f}", seconds,
        microseconds[last / 2], microseconds[(int) (0.99 * last)]);
  }

  static String top(IndexSearcher searcher, List<Query> queries, int count) throws IOException {
    List<String> tops = new ArrayList<>();
    for (Query query : queries.subList(0, Math.min(count, queries.size()))) {
      List<String> numbers = new ArrayList<>();
      for (ScoreDoc hit : search(searcher, query)) numbers.add(Integer.toString(hit.doc));
      tops.add("[" + String.join(",", numbers) + "]");
    }
    return "[" + String.join(",", tops) + "]";
  }

  public static void main(String[] arguments) throws IOException {
    List<String> lines = new ArrayList<>();
    Map<String, List<Query>> sets = new HashMap<>();
    for (int i = 0; i + 1 < arguments.length; i += 2) {
      if (arguments[i].equals("--documents")) lines = Files.readAllLines(Path.of(arguments[i + 1]));
      if (!arguments[i].equals("--queries")) continue;
      String[] parts = arguments[i + 1].split("=", 2);
      List<Query> queries = new ArrayList<>();
      for (String line : Files.readAllLines(Path.of(parts[1]))) queries.add(queryOf(line));
      sets.put(parts[0], queries);
    }
    long begin = System.nanoTime();
    IndexSearcher searcher = build(lines);
    System.out.printf(Locale.ROOT, "{\"documents\":%d,\"seconds\":%.4f}%n", lines.size(), (System.nanoTime() - begin) / 1e9);
    BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
    for (String line = input.readLine(); line != null; line = input.readLine()) {
      String[] words = line.split(" ");
      List<Query> queries = sets.get(words[1]);
      System.out.println(words[0].equals("measure") ? measure(searcher, queries) : top(searcher, queries, Integer.parseInt(words[2])));
    }
  }
}
