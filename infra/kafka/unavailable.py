class KafkaUnavailable(Exception):
    """No Kafka to work with. The sentence is for people: what is wrong, and a way out; never a password."""
