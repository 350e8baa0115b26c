"""What a training will take: time, memory and so dollars, told before anything was spent."""
