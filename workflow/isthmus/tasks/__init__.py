"""What is asked of a model: the loss that training minimises and the records that measuring leaves."""
