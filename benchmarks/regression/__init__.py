"""Has it become slower or worse?"""
