"""A potential that learns from each calculation, and knows where it has not learned."""
