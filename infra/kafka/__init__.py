"""Kafka: clients of the cluster that MAWID_KAFKA_BOOTSTRAP names, and a cluster of our own for trials and tests."""
