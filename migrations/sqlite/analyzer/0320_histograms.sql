-- Most of a batch is its histograms: bytes beside its body, which may go before it does (`retention.histograms`).
ALTER TABLE batches ADD COLUMN histograms BLOB;
CREATE INDEX batches_histograms ON batches (window_start_ms) WHERE histograms IS NOT NULL;
